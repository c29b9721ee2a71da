"""Who waits for a SKU that another StockItem owns."""

from operador.conhecidos import Conhecidos
from operador.fila import Fila
from operador.stockitem import Chave, StockItem


class Conflitos:
    """StockItems in conflict by SKU."""

    def __init__(self, conhecidos: Conhecidos, fila: Fila) -> None:
        self._conhecidos = conhecidos
        self._fila = fila
        self._por_sku: dict[str, set[Chave]] = {}

    def anotar(self, item: StockItem) -> None:
        """This item waits for its SKU."""
        self._por_sku.setdefault(item.sku, set()).add(item.chave)

    def acordar(self, sku: str) -> None:
        """Nobody owns the SKU any more: those who wait for it try again at once."""
        for chave in self._por_sku.pop(sku, ()):
            conhecido = self._conhecidos.obter(chave)
            if conhecido is not None:
                self._fila.por(conhecido.item)
