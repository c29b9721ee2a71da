"""Ends reservations whose time is over. One loop, started at start-up, whatever Kubernetes does."""

import asyncio
from collections.abc import Callable

from operador import metricas
from operador.banco import Banco
from operador.recuo import recuo
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

LIMITE = 500
PAUSA = 0.08
"""Seconds between full batches. Nobody waits for the sweep, since estoque does without it; orders wait for what it
locks, and their decisions for its news in the same queue. A million are still swept in some four minutes.
"""

_log = logger(__name__)


class Atraso:
    """How late the sweep is at most. `relogio` gives monotonic seconds.

    What lapsed after the last look cannot be seen, so the lag is counted from what that look saw: it grows while the
    database is away or the loop hangs.
    """

    def __init__(self, relogio: Callable[[], float]) -> None:
        self._relogio = relogio
        self._desde = relogio()

    def medido(self, segundos: float) -> None:
        """The oldest lapsed reservation that is not swept lapsed so long ago; 0 when there is none."""
        self._desde = self._relogio() - segundos

    def segundos(self) -> float:
        """The lag now."""
        return self._relogio() - self._desde


class Expiracao:
    """The loop. `bater` is called before each batch."""

    def __init__(self, banco: Banco, atraso: Atraso, bater: Callable[[], None]) -> None:
        self._banco = banco
        self._atraso = atraso
        self._bater = bater
        metricas.ATRASO.set_function(atraso.segundos)

    async def rodar(self, intervalo: float) -> None:
        """Sweeps every `intervalo` seconds, for ever; backs off while the database is away."""
        quedas = 0
        while True:
            try:
                varridas = await self.varrer()
            except Exception as falta:
                if not is_transient(falta):
                    raise
                metricas.FALTAS.labels("postgres").inc()
                _log.warning("sweep_failed", fault=repr(falta))
                await asyncio.sleep(recuo(quedas, teto=5.0))
                quedas += 1
                continue
            quedas = 0
            metricas.ULTIMA_VARREDURA.set_to_current_time()
            if varridas:
                _log.info("reservations_expired", count=varridas)
            await asyncio.sleep(intervalo)

    async def varrer(self) -> int:
        """Sweeps in bounded batches, with a pause between them, until one is not full; how many were swept."""
        total = 0
        while True:
            self._bater()
            varridas = await self._banco.expirar(LIMITE)
            self._atraso.medido(await self._banco.atraso())
            total += varridas
            metricas.VENCIDAS.inc(varridas)
            if varridas < LIMITE:
                return total
            await asyncio.sleep(PAUSA)
