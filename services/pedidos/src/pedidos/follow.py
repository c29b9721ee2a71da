"""Follows one order until it ends: woken by its notifications, without polling."""

from collections.abc import AsyncGenerator
from uuid import UUID

import msgspec

from pedidos.reads import Reads
from pedidos.waiters import Waiters
from reservaestoque.events import FINAL_STATUSES
from reservaestoque.postgres import is_transient
from reservaestoque.streams import HEARTBEAT_SECONDS, sse, woken

_json = msgspec.json.Encoder()


class Follower:
    """Streams of single orders."""

    def __init__(self, reads: Reads, waiters: Waiters, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._reads = reads
        self._waiters = waiters
        self._heartbeat = heartbeat

    async def follow(self, pedido_id: UUID, seen: int) -> AsyncGenerator[bytes, None]:
        """The text of a stream: the order with each version above `seen`, except versions superseded between two
        reads.

        Ends with the order's final status, when the order is purged, or when the program stops.
        """
        yield sse.OPENING
        with self._waiters.subscribe(pedido_id) as subscription:
            subscription.set()
            while not self._waiters.closed:
                # Read at every heartbeat too: a notification may be lost with its connection.
                if not await woken(subscription, self._heartbeat):
                    yield sse.HEARTBEAT
                try:
                    pedido = await self._reads.order(pedido_id)
                except Exception as fault:
                    if not is_transient(fault):
                        raise
                    continue  # notifications come back with the database
                if pedido and pedido.versao > seen:
                    seen = pedido.versao
                    yield sse.event("status", _json.encode(pedido), seen)
                if pedido is None or pedido.status in FINAL_STATUSES:
                    return
                del pedido  # an order may have a hundred items, and the wait may last a week
