"""The work set: StockItems that wait for PostgreSQL, the latest version of each, some of them until a given time."""

import asyncio
import heapq
from collections.abc import Callable

from operador.stockitem import Chave, StockItem

# How long a first item waits for company: an apply of a thousand arrives over some time, and one SQL call
# should take many of them.
_AJUNTAR = 0.02

_Vaga = tuple[Chave, str]


class Fila:
    """One entry a StockItem and SKU. `relogio` gives monotonic seconds."""

    def __init__(self, relogio: Callable[[], float]) -> None:
        self._relogio = relogio
        self._prontos: dict[_Vaga, StockItem] = {}
        self._adiados: dict[_Vaga, tuple[float, StockItem]] = {}
        self._agenda: list[tuple[float, _Vaga]] = []
        self._sino = asyncio.Event()

    def __len__(self) -> int:
        return len(self._prontos) + len(self._adiados)

    @property
    def prontos(self) -> int:
        """How many need not wait any longer."""
        return len(self._prontos)

    def por(self, item: StockItem) -> None:
        """To be done as soon as possible. Takes the place of an older version, gives way to a newer one."""
        vaga = (item.chave, item.sku)
        esperando = self._prontos.get(vaga)
        if esperando is not None and esperando.versao > item.versao:
            return
        self._adiados.pop(vaga, None)
        self._prontos[vaga] = item
        self._sino.set()

    def adiar(self, item: StockItem, segundos: float) -> None:
        """To be done again in so many seconds, unless something newer comes first."""
        vaga = (item.chave, item.sku)
        if vaga in self._prontos:
            return
        quando = self._relogio() + segundos
        self._adiados[vaga] = (quando, item)
        heapq.heappush(self._agenda, (quando, vaga))
        self._sino.set()

    async def tomar(self, limite: int, paciencia: float) -> list[StockItem]:
        """Takes up to `limite` items, oldest first; an empty list when none is ready for `paciencia` seconds."""
        if not self._promover():
            self._sino.clear()
            try:
                async with asyncio.timeout(min(paciencia, self._proximo())):
                    await self._sino.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(_AJUNTAR)
            self._promover()
        vagas = list(self._prontos)[:limite]
        return [self._prontos.pop(vaga) for vaga in vagas]

    def _proximo(self) -> float:
        return max(self._agenda[0][0] - self._relogio(), 0.0) if self._agenda else float("inf")

    def _promover(self) -> bool:
        """Moves what has waited long enough to the ready ones; whether any is ready."""
        agora = self._relogio()
        while self._agenda and self._agenda[0][0] <= agora:
            quando, vaga = heapq.heappop(self._agenda)
            adiado = self._adiados.get(vaga)
            if adiado is not None and adiado[0] == quando:
                del self._adiados[vaga]
                self._prontos.setdefault(vaga, adiado[1])
        return bool(self._prontos)
