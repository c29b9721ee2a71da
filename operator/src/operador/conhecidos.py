"""What the operator remembers of every StockItem: the newest version seen, and the status it bears."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from operador.ritmo import Ritmo
from operador.stockitem import Chave, Status, StockItem


@dataclass(slots=True)
class Conhecido:
    """`status` is the one that was last read or sent, None when there is none."""

    item: StockItem
    status: Status | None
    ritmo: Ritmo = Ritmo()  # noqa: RUF009 (immutable)


def exige_trabalho(antes: Conhecido | None, item: StockItem, status: Status | None) -> bool:
    """Whether a newer version has to go to PostgreSQL: not when all that changed is what we wrote ourselves."""
    if antes is None or antes.item.uid != item.uid or antes.item.geracao != item.geracao:
        return True
    if antes.item.excluindo != item.excluindo or (not item.marcado and not item.excluindo):
        return True
    return antes.status != status


class Conhecidos:
    """The StockItems of the cluster by namespace and name."""

    def __init__(self) -> None:
        self._itens: dict[Chave, Conhecido] = {}
        self._lapides: dict[Chave, int] = {}

    def __len__(self) -> int:
        return len(self._itens)

    def __iter__(self) -> Iterator[Conhecido]:
        return iter(list(self._itens.values()))

    def obter(self, chave: Chave) -> Conhecido | None:
        """What is known of that StockItem."""
        return self._itens.get(chave)

    def ver(self, item: StockItem, status: Status | None) -> bool:
        """Takes in a version that the API server showed; says whether it needs work. Older ones are ignored."""
        antes = self._itens.get(item.chave)
        if item.versao <= max(antes.item.versao if antes else 0, self._lapides.get(item.chave, 0)):
            return False
        trabalho = exige_trabalho(antes, item, status)
        mesmo = antes is not None and antes.item.uid == item.uid
        self._itens[item.chave] = Conhecido(item, status, antes.ritmo if antes is not None and mesmo else Ritmo())
        return trabalho

    def sumiu(self, item: StockItem) -> list[StockItem]:
        """Takes in that this StockItem is gone; what has to be given up: nothing if a newer one took its place."""
        antes = self._itens.get(item.chave)
        if antes is not None and antes.item.versao > item.versao:
            return [] if antes.item.sku == item.sku else [replace(item, ausente=True)]
        self.esquecer(item)
        self._lapides[item.chave] = item.versao
        return [replace(item, ausente=True)]

    def esquecer(self, item: StockItem) -> None:
        """Forgets it, unless another of the same name took its place."""
        antes = self._itens.get(item.chave)
        if antes is not None and antes.item.uid == item.uid:
            del self._itens[item.chave]

    def mais_novo(self, item: StockItem) -> StockItem:
        """The newest version known of the same object, else the one given."""
        conhecido = self._itens.get(item.chave)
        if conhecido is None or conhecido.item.uid != item.uid or item.ausente:
            return item
        return conhecido.item

    def varrer_lapides(self) -> None:
        """Forgets deletions: called when no list that could be older than them is being read."""
        self._lapides.clear()
