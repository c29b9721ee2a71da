"""All of conferir's wiring: once, or all the time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import asyncpg

from conferir import prova
from conferir.concordancia import Criterio
from conferir.foto import Bancos, LockWantedError
from conferir.prova import Resultado
from conferir.ronda import Ronda
from conferir.settings import ConferirSettings
from conferir.violacao import Violacao
from reservaestoque.http import serve, service_app
from reservaestoque.periodic import Periodic
from reservaestoque.postgres import Connector, ServerWatch, is_transient, open_pool, reachable

POOL_CONNECTIONS = 3
"""To each database: a snapshot, the check for sessions that wait for its locks, readiness."""
CONNECTIONS = POOL_CONNECTIONS + 1
"""With one for the watch. The charts count on it."""
_PACIENCIA = timedelta(minutes=10)
_FOLGA = 9.0
"""A tenth of the time at work at most: a SKU with a million lines takes a second to add up."""
_PRESSA = timedelta(seconds=30)


async def uma_vez(
    settings: ConferirSettings,
    dizer: Callable[[Violacao], None],
    started_again: Callable[[int], None],
    *,
    em_repouso: bool,
) -> Resultado:
    """Looks at everything once and says each violation, and each time that it had to start again.

    Raises what asyncpg raises when it cannot be looked at.
    """
    async with _abrir(settings, _PACIENCIA) as bancos:
        return await prova.conferir(
            bancos,
            _criterio(settings, em_repouso=em_repouso),
            settings.grace.total_seconds(),
            dizer,
            started_again=started_again,
        )


async def sempre(settings: ConferirSettings) -> None:
    """Goes on looking until SIGTERM; health and metrics over HTTP."""
    async with _abrir(settings, _PRESSA) as bancos:
        ronda = Ronda(
            bancos,
            _criterio(settings),
            carencia=settings.grace,
            recente=settings.recent,
            limite=settings.slice_rows,
        )
        rondas = Periodic(
            ronda.passo, name="conferir", every=settings.step_interval, is_transient=_passes, rest=_FOLGA
        )

        async def pronto() -> bool:
            return await reachable(bancos.pedidos) and await reachable(bancos.estoque)

        app = service_app(
            title="conferir",
            version=version("reservaestoque-conferir"),
            route_handlers=[],
            is_ready=pronto,
            dependencies={},
        )
        watches = (
            ServerWatch(Connector(settings.pedidos_database_url, standby=True), bancos.pedidos, program="conferir"),
            ServerWatch(Connector(settings.estoque_database_url, standby=True), bancos.estoque, program="conferir"),
        )
        tasks = (rondas.run, *(watch.run for watch in watches))
        await serve(app, host=settings.host, port=settings.port, tasks=tasks)


def _passes(fault: BaseException) -> bool:
    return is_transient(fault) or isinstance(fault, LockWantedError)


def _criterio(settings: ConferirSettings, *, em_repouso: bool = False) -> Criterio:
    return Criterio(settings.shortest_retention, settings.delivery_limit, em_repouso)


@asynccontextmanager
async def _abrir(settings: ConferirSettings, paciencia: timedelta) -> AsyncIterator[Bancos]:
    async def pool(url: str) -> "asyncpg.Pool[Any]":
        segundos = paciencia.total_seconds()
        return await open_pool(
            url, program="conferir", size=POOL_CONNECTIONS, statement_seconds=segundos, read_only=True
        )

    async with (
        await pool(settings.pedidos_database_url) as pedidos,
        await pool(settings.estoque_database_url) as estoque,
    ):
        yield Bancos(pedidos, estoque)
