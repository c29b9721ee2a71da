"""Waiting for estoque's answer (``Prefer: wait``): one LISTEN connection a replica, no polling.

Whichever replica consumes AtualizarStatus, its commit notifies all of them and says what the order has become, so
that nobody has to read it. A notification lost with the connection costs nothing but time: waiters look for
themselves when it is back, and at their deadline.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from pedidos.pedido import Retrato
from reservaestoque.backoff import back_off
from reservaestoque.postgres import Connector, ServerWatch, is_transient
from reservaestoque.telemetry import logger

CHANNEL = "pedido_status"
_CHECK_SECONDS = 2.0

_log = logger(__name__)


class Sinal(asyncio.Event):
    """Set whenever an order may have changed; `retrato` is what it was last said to be, unless that must be read."""

    retrato: Retrato | None = None
    vencido = False

    def vencer(self) -> None:
        """The time to wait is over: whoever waits looks once more."""
        self.vencido = True
        self.set()


class _Aviso(msgspec.Struct, frozen=True, array_like=True):
    """What `aplicar_status.sql` tells of an order."""

    pedido_id: UUID
    retrato: Retrato | None = None


_ler_avisos = msgspec.json.Decoder(list[_Aviso]).decode


class Espera:
    """Wakes those who wait for an order to change."""

    def __init__(self, connector: Connector, watch: ServerWatch) -> None:
        self._connector = connector
        self._watch = watch
        self._sinais: dict[UUID, set[Sinal]] = {}
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
    def inscrever(self, pedido_id: UUID) -> Iterator[Sinal]:
        """An event that is set whenever the order may have changed, from now until the block ends."""
        sinal = Sinal()
        self._sinais.setdefault(pedido_id, set()).add(sinal)
        try:
            yield sinal
        finally:
            self._sinais[pedido_id].discard(sinal)
            if not self._sinais[pedido_id]:
                del self._sinais[pedido_id]

    async def ate(self, sinal: Sinal, pronto: Callable[[], Awaitable[bool]], segundos: float) -> None:
        """Returns when `pronto` says so: asked at each `sinal`, and once more after `segundos` or at a stop."""
        alarme = asyncio.get_running_loop().call_later(segundos, sinal.vencer)
        try:
            while not self._encerrada.is_set():
                await sinal.wait()
                sinal.clear()
                if await pronto() or sinal.vencido:
                    return
        finally:
            alarme.cancel()

    async def run(self) -> None:
        """Listens until cancelled, whatever the database does meanwhile."""
        failures = 0
        while True:
            try:
                moves = self._watch.moves
                async with self._connected() as connection:
                    failures = 0
                    self._acordar_todos()
                    while not await self._watch.moved(moves, _CHECK_SECONDS):
                        await connection.execute("select", timeout=_CHECK_SECONDS)
            except Exception as fault:
                if not is_transient(fault):
                    raise
                failures += 1
                _log.warning("listen_connection_lost", fault=repr(fault))
                await back_off(failures)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        connection = await self._connector.connect(server_settings={"application_name": "pedidos listen"})
        try:
            await connection.add_listener(CHANNEL, self._avisado)
            yield connection
        finally:
            connection.terminate()

    def _avisado(self, _connection: object, _pid: int, _channel: str, avisos: str) -> None:
        for aviso in _ler_avisos(avisos):
            for sinal in self._sinais.get(aviso.pedido_id, ()):
                sinal.retrato = aviso.retrato
                sinal.set()

    def _acordar_todos(self) -> None:
        for sinais in self._sinais.values():
            for sinal in sinais:
                sinal.retrato = None
                sinal.set()
