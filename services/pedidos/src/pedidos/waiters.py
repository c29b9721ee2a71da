"""Requests that wait for estoque's answer (``Prefer: wait``): one LISTEN connection per replica, no polling.

Whichever replica consumes AtualizarStatus, its commit notifies all replicas and carries the order's new snapshot, so
no waiter has to read it. A notification lost with the connection costs only time: waiters read the order themselves
when the connection is back, and at their deadline.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec

from pedidos.pedido import Snapshot
from reservaestoque.backoff import back_off
from reservaestoque.postgres import Connector, ServerWatch, is_transient
from reservaestoque.telemetry import logger

CHANNEL = "pedido_status"
_CHECK_SECONDS = 2.0

_log = logger(__name__)


class Subscription(asyncio.Event):
    """Set whenever an order may have changed, while its block runs. `snapshot` is its latest one; None when it must
    be read.
    """

    snapshot: Snapshot | None = None
    expired = False
    _alarm: asyncio.TimerHandle | None = None

    def __init__(self, subscriptions: "dict[UUID, set[Subscription]]", pedido_id: UUID) -> None:
        super().__init__()
        self._subscriptions = subscriptions
        self._pedido_id = pedido_id

    def __enter__(self) -> Self:
        self._subscriptions.setdefault(self._pedido_id, set()).add(self)
        return self

    def __exit__(self, *_: object) -> None:
        others = self._subscriptions[self._pedido_id]
        others.discard(self)
        if not others:
            del self._subscriptions[self._pedido_id]
        if self._alarm is not None:
            self._alarm.cancel()

    def expire_in(self, seconds: float) -> None:
        """Sets a deadline for the wait, at which the order is read one last time."""
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self.expired = True
        self.set()


class _Notification(msgspec.Struct, frozen=True, array_like=True):
    """The notification that `apply_status.sql` sends about an order."""

    pedido_id: UUID
    snapshot: Snapshot | None = None


_decode = msgspec.json.Decoder(list[_Notification]).decode


class Waiters:
    """Wakes requests that wait for an order to change."""

    def __init__(self, connector: Connector, watch: ServerWatch) -> None:
        self._connector = connector
        self._watch = watch
        self._subscriptions: dict[UUID, set[Subscription]] = {}
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Ends every wait at once because the program is stopping."""
        self._closed.set()
        self._wake_all()

    @property
    def closed(self) -> bool:
        """Whether the program is stopping: no wait may begin or continue."""
        return self._closed.is_set()

    def subscribe(self, pedido_id: UUID) -> Subscription:
        """A context manager: an event that is set whenever the order may have changed, while its block runs."""
        return Subscription(self._subscriptions, pedido_id)

    async def changed(self, subscription: Subscription) -> bool:
        """Waits for the next change. True when the order may have changed, and for the final read at the deadline;
        False after that read, and when the program is stopping.
        """
        if subscription.expired or self.closed:
            return False
        await subscription.wait()
        subscription.clear()
        return True

    async def run(self) -> None:
        """Listens until cancelled, through database outages."""
        failures = 0
        while True:
            try:
                moves = self._watch.moves
                async with self._connected() as connection:
                    failures = 0
                    self._wake_all()
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
            await connection.add_listener(CHANNEL, self._notified)
            yield connection
        finally:
            connection.terminate()

    def _notified(self, _connection: object, _pid: int, _channel: str, notifications: str) -> None:
        for notification in _decode(notifications):
            for subscription in self._subscriptions.get(notification.pedido_id, ()):
                subscription.snapshot = notification.snapshot
                subscription.set()

    def _wake_all(self) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.snapshot = None
                subscription.set()
