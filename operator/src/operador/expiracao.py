"""Ends reservations whose time is over. One loop, started at start-up, whatever Kubernetes does."""

import asyncio
from collections.abc import Callable

from operador import metricas
from operador.banco import Banco
from operador.recuo import recuo
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

LIMITE = 500

_log = logger(__name__)


async def expirar_sempre(banco: Banco, intervalo: float, bater: Callable[[], None]) -> None:
    """Sweeps every `intervalo` seconds until nothing is due; backs off while the database is away."""
    quedas = 0
    while True:
        try:
            varridas = await varrer(banco, bater)
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


async def varrer(banco: Banco, bater: Callable[[], None]) -> int:
    """Sweeps in bounded batches until one is not full; how many were swept."""
    total = 0
    while True:
        bater()
        varridas = await banco.expirar(LIMITE)
        total += varridas
        metricas.VENCIDAS.inc(varridas)
        if varridas < LIMITE:
            return total
