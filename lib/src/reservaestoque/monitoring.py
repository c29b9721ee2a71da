"""Bounds connections to the port of health and metrics, where no gateway limits the clients."""

import asyncio
from typing import Any

from reservaestoque.http_protocol import HttpProtocol

CONNECTIONS = 50
"""Maximum number of connections. Beyond it, each new connection closes an existing one."""

REQUEST_BYTES = 65_536
"""Maximum size of a request, body included. A larger one closes its connection."""


class MonitoringProtocol(HttpProtocol):
    """uvicorn's HTTP/1.1 protocol, bounded in connections and bytes.

    It never refuses a new connection, which may be a probe: the kubelet restarts a healthy program whose probes fail.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since = self.loop.time()
        self._received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop. Closes another connection if there are too many: an idle one, else the oldest."""
        others: set[Any] = set(self.connections)
        super().connection_made(transport)
        if len(others) >= CONNECTIONS:
            min(others, key=lambda other: (other.busy, other.since)).transport.abort()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def since(self) -> float:
        """The time at which the connection was opened, by the event loop's clock."""
        return self._since

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._received += len(data)
        if self._received > REQUEST_BYTES:
            self.transport.abort()
            return
        super().data_received(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._received = 0
