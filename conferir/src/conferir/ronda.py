"""All the time, in small steps: each step is a pair of short snapshots and a slice of every table."""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Generic
from uuid import UUID

from conferir import comandos, percursos
from conferir.concordancia import Criterio
from conferir.fatia import Fatia, K
from conferir.foto import Bancos, Fotos, fotografar_ambos
from conferir.metricas import CONFERIDOS, ULTIMA_VOLTA, Acusador
from conferir.percursos import Percurso
from conferir.suspeitos import Suspeitos
from conferir.violacao import IMEDIATAS, Violacao

_REVISTOS_POR_VEZ = 1000


class Caminhante(Generic[K]):
    """Walks through a table for ever, a slice a step; remembers how far it has come."""

    def __init__(self, percurso: Percurso[K]) -> None:
        self._percurso: Percurso[K] = percurso
        self._depois: K = percurso.inicio
        ULTIMA_VOLTA.labels(percurso.o_que).set_to_current_time()

    async def passo(self, fotos: Fotos) -> Fatia[K]:
        """Looks at the next slice; the same one again when that fails. Raises what asyncpg raises."""
        fatia: Fatia[K] = await self._percurso.fatia(fotos, self._depois)
        if fatia.seguinte is None:
            self._depois = self._percurso.inicio
            ULTIMA_VOLTA.labels(self._percurso.o_que).set_to_current_time()
        else:
            self._depois = fatia.seguinte
        CONFERIDOS.labels(self._percurso.o_que).inc(fatia.vistos)
        return fatia


class Ronda:
    """The rounds: over all stock, all orders, all commands, and more often over what is `recente`."""

    def __init__(
        self, bancos: Bancos, criterio: Criterio, *, carencia: timedelta, recente: timedelta, limite: int
    ) -> None:
        self._bancos = bancos
        self._criterio = criterio
        self._recente = recente
        self._limite = limite
        self._suspeitos = Suspeitos(carencia.total_seconds())
        self._acusador = Acusador()
        self._skus = Caminhante(percursos.skus(limite))
        self._reservas = Caminhante(percursos.reservas(limite))
        self._pedidos = Caminhante(percursos.pedidos(limite, criterio))
        self._comandos = Caminhante(percursos.os_comandos(limite, criterio))
        self._recentes: UUID | None = None

    async def passo(self) -> bool:
        """One step of everything; never more to do at once.

        Raises LockWantedError when somebody waits for a lock of its snapshots, and what asyncpg raises; then it is as
        if not done.
        """
        try:
            async with fotografar_ambos(self._bancos) as fotos:
                await self._rever(fotos)
                await self._andar(fotos)
        except Exception:
            # What was wrong before may be wrong for another reason after whatever this is.
            self._suspeitos.recomecar(time.monotonic())
            raise
        return False

    async def _rever(self, fotos: Fotos) -> None:
        antes = self._suspeitos.todos()[:_REVISTOS_POR_VEZ]
        atuais = await percursos.rever(fotos, antes, self._criterio) if antes else []
        self._acusador.acusar(self._suspeitos.rever(antes, atuais, time.monotonic()))

    async def _andar(self, fotos: Fotos) -> None:
        self._receber((await self._skus.passo(fotos)).violacoes)
        self._receber((await self._reservas.passo(fotos)).violacoes)
        self._receber((await self._pedidos.passo(fotos)).violacoes)
        self._receber((await self._comandos.passo(fotos)).violacoes)
        await self._ver_recentes(fotos)

    async def _ver_recentes(self, fotos: Fotos) -> None:
        """Ids are UUIDv7: what is recent comes last. Versions, which need all later commands, only of what is."""
        desde = fotos.pedidos.agora - self._recente
        depois = max(self._recentes or menor_id(desde), menor_id(desde))
        fatia = await percursos.pedidos(self._limite, self._criterio).fatia(fotos, depois)
        self._receber(fatia.violacoes)
        self._receber((await percursos.reservas(self._limite).fatia(fotos, depois)).violacoes)
        self._recentes = fatia.seguinte
        CONFERIDOS.labels("recentes").inc(fatia.vistos)
        if fatia.seguinte is None:
            self._receber(await comandos.versoes(fotos, desde))
            ULTIMA_VOLTA.labels("recentes").set_to_current_time()

    def _receber(self, achadas: Iterable[Violacao]) -> None:
        novas = [violacao for violacao in achadas if not self._acusador.conhece(violacao)]
        self._acusador.acusar(violacao for violacao in novas if violacao.regra in IMEDIATAS)
        # Who finds no room now is found again in the next round.
        self._suspeitos.anotar((v for v in novas if v.regra not in IMEDIATAS), time.monotonic())


def menor_id(instante: datetime) -> UUID:
    """The smallest UUIDv7 of an instant (RFC 9562, section 5.7)."""
    return UUID(int=int(instante.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
