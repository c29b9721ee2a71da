"""Waiting for estoque's answer (``Prefer: wait``): one LISTEN connection a replica, no polling.

Whichever replica consumes AtualizarStatus, its commit notifies all of them. A notification lost with the
connection costs nothing but time: waiters look once more when it is back, and at their deadline.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg

from reservaestoque.backoff import back_off
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

CHANNEL = "pedido_status"
_CHECK_SECONDS = 5.0

_log = logger(__name__)


class Espera:
    """Wakes those who wait for an order to change."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._sinais: dict[UUID, set[asyncio.Event]] = {}
        self._encerrada = asyncio.Event()

    def encerrar(self) -> None:
        """Ends every wait at once: the program stops."""
        self._encerrada.set()
        self._acordar_todos()

    @property
    def encerrada(self) -> bool:
        """Whether the program stops: nobody should wait any more."""
        return self._encerrada.is_set()

    @contextlib.contextmanager
    def inscrever(self, pedido_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the order may have changed, from now until the block ends."""
        sinal = asyncio.Event()
        self._sinais.setdefault(pedido_id, set()).add(sinal)
        try:
            yield sinal
        finally:
            self._sinais[pedido_id].discard(sinal)
            if not self._sinais[pedido_id]:
                del self._sinais[pedido_id]

    async def ate(self, sinal: asyncio.Event, pronto: Callable[[], Awaitable[bool]], segundos: float) -> None:
        """Returns when `pronto` says so, looking only after `sinal`; or after `segundos`, or when we stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(segundos):
                while not self._encerrada.is_set():
                    await sinal.wait()
                    sinal.clear()
                    if await pronto():
                        return

    async def run(self) -> None:
        """Listens until cancelled, whatever the database does meanwhile."""
        failures = 0
        while True:
            try:
                async with self._connected() as connection:
                    failures = 0
                    self._acordar_todos()
                    while True:
                        await asyncio.sleep(_CHECK_SECONDS)
                        await connection.fetchval("select 1", timeout=_CHECK_SECONDS)
            except Exception as fault:
                if not is_transient(fault):
                    raise
                failures += 1
                _log.warning("listen_connection_lost", fault=repr(fault))
                await back_off(failures)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        connection = await asyncpg.connect(
            self._database_url, timeout=5.0, server_settings={"application_name": "pedidos listen"}
        )
        try:
            await connection.add_listener(CHANNEL, self._avisado)
            yield connection
        finally:
            connection.terminate()

    def _avisado(self, _connection: object, _pid: int, _channel: str, ids: str) -> None:
        for pedido_id in ids.split(","):
            for sinal in self._sinais.get(UUID(pedido_id), ()):
                sinal.set()

    def _acordar_todos(self) -> None:
        for sinais in self._sinais.values():
            for sinal in sinais:
                sinal.set()
