"""Everything, once: each database in one snapshot, then what looked wrong again until it is sure."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from conferir import comandos, percursos, repouso
from conferir.concordancia import Criterio
from conferir.fatia import K
from conferir.foto import Bancos, Fotos, LockWantedError, fotografar_ambos
from conferir.percursos import Percurso
from conferir.suspeitos import Suspeitos
from conferir.violacao import IMEDIATAS, Violacao

LIMITE = 5000
TRIES = 10
_OLHARES = 10
_PRIMEIRA_ESPERA = 0.05
_REVISTOS_POR_VEZ = 1000


@dataclass
class Resultado:
    """How much was looked at, how many violations there are, and how many suspects could not be made sure of."""

    vistos: dict[str, int] = field(default_factory=dict)
    violacoes: int = 0
    incertos: int = 0
    completo: bool = True
    """Whether it came to its end: it has to give way to migrations."""

    @property
    def codigo(self) -> int:
        """The exit code: 0 when all is well, 1 when something is wrong, 2 when that could not be found out."""
        return 1 if self.violacoes else 2 if self.incertos or not self.completo else 0


async def conferir(
    bancos: Bancos,
    criterio: Criterio,
    carencia: float,
    dizer: Callable[[Violacao], None],
    limite: int = LIMITE,
    *,
    started_again: Callable[[int], None] = lambda _: None,
) -> Resultado:
    """Looks at everything and says each violation. `limite` rows of a table are held at a time.

    What could be a matter of time has to stay the same for `carencia` seconds. When somebody waits for a lock of its
    snapshots it ends them and starts again, up to TRIES times in all; `started_again` gets the number of each try but
    the first. Raises what asyncpg raises: then nothing is known.
    """
    prova = _Prova(criterio, carencia, dizer, limite)
    for number in range(1, TRIES + 1):
        if number > 1:
            started_again(number)
        try:
            async with fotografar_ambos(bancos) as fotos:
                await prova.percorrer(fotos)
        except LockWantedError:
            continue
        await prova.esclarecer(bancos)
        return prova.resultado
    prova.resultado.completo = False
    return prova.resultado


class _Prova:
    """A check under way."""

    def __init__(self, criterio: Criterio, carencia: float, dizer: Callable[[Violacao], None], limite: int) -> None:
        self._criterio = criterio
        self._carencia = carencia
        self._dizer = dizer
        self._limite = limite
        self._suspeitos = Suspeitos(carencia)
        self._ditas: set[Violacao] = set()
        self.resultado = Resultado()

    async def percorrer(self, fotos: Fotos) -> None:
        """Walks through all of both snapshots, from the beginning. What has been said is not said again."""
        self._suspeitos = Suspeitos(self._carencia)
        self.resultado = Resultado(violacoes=self.resultado.violacoes)
        await self._andar(fotos, percursos.skus(self._limite))
        await self._andar(fotos, percursos.reservas(self._limite))
        await self._andar(fotos, percursos.pedidos(self._limite, self._criterio))
        await self._andar(fotos, percursos.os_comandos(self._limite, self._criterio))
        self._receber(await comandos.versoes(fotos, fotos.pedidos.agora - self._criterio.retencao))
        if self._criterio.em_repouso:
            self._receber(await repouso.outboxes(fotos))

    async def _andar(self, fotos: Fotos, percurso: Percurso[K]) -> None:
        depois: K | None = percurso.inicio
        vistos = 0
        while depois is not None:
            fatia = await percurso.fatia(fotos, depois)
            vistos += fatia.vistos
            self._receber(fatia.violacoes)
            depois = fatia.seguinte
        self.resultado.vistos[percurso.o_que] = vistos

    def _receber(self, achadas: Iterable[Violacao]) -> None:
        suspeitas = []
        for violacao in achadas:
            if violacao.regra in IMEDIATAS:
                self._acusar(violacao)
            else:
                suspeitas.append(violacao)
        self.resultado.incertos += self._suspeitos.anotar(suspeitas, time.monotonic())

    def _acusar(self, violacao: Violacao) -> None:
        if violacao not in self._ditas:
            self._ditas.add(violacao)
            self.resultado.violacoes += 1
            self._dizer(violacao)

    async def esclarecer(self, bancos: Bancos) -> None:
        """Looks at the suspects again and again until each has stayed for long enough or is gone.

        What goes on changing for many times as long is left: it is neither.
        """
        fim = time.monotonic() + _OLHARES * self._carencia
        espera = _PRIMEIRA_ESPERA
        while self._suspeitos and time.monotonic() <= fim:
            await asyncio.sleep(min(espera, self._carencia / _OLHARES))
            espera *= 2
            todos = self._suspeitos.todos()
            for n in range(0, len(todos), _REVISTOS_POR_VEZ):
                await self._rever(bancos, todos[n : n + _REVISTOS_POR_VEZ])
        self.resultado.incertos += len(self._suspeitos)

    async def _rever(self, bancos: Bancos, antes: list[Violacao]) -> None:
        try:
            async with fotografar_ambos(bancos) as fotos:
                atuais = await percursos.rever(fotos, antes, self._criterio)
        except LockWantedError:
            return  # they are looked at again anyway
        for violacao in self._suspeitos.rever(antes, atuais, time.monotonic()):
            self._acusar(violacao)
