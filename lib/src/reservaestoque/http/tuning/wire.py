"""An answer leaves in one piece: one system call here, one segment on the wire, one event at the gateway.

uvicorn writes the head and the body of an answer separately, and uvloop sends each write at once.
Together with notifications that carry the decision, a single write saved an eighth of pedidos' CPU. It can be removed
once uvicorn writes both at once.
"""

import asyncio
import socket
from typing import Any, cast

from reservaestoque.http_protocol import HttpProtocol

PIECE_BYTES = 65_536
"""Bytes sent without waiting for more, so that the transport can apply back-pressure."""


SEND_BUFFER_BYTES = 32_768
"""Size of the kernel's send buffer per connection. By default it grows to megabytes for a client that does not read,
and all of that counts as the pod's memory."""

HIGH_WATER_BYTES = 16_384
"""Bytes buffered here before the sender is paused."""


class GatheringTransport:
    """A transport that sends everything written within one turn of the event loop together, before the next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Sends these bytes soon, in order."""
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= PIECE_BYTES:
            self._send()

    def write_now(self, data: bytes) -> None:
        """Sends these bytes at once, after all that was written before."""
        self._pieces.append(data)
        self._send()

    def close(self) -> None:
        """Closes the transport once everything written has been sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if not self._pieces:
            return
        pieces, self._pieces, self._size = self._pieces, [], 0
        if not self._transport.is_closing():  # the peer may have disconnected in the meantime
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        """Everything else is delegated to the transport."""
        return getattr(self._transport, name)


class GatheringProtocol(HttpProtocol):
    """uvicorn's HTTP/1.1 protocol on a `GatheringTransport`."""

    transport: GatheringTransport  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport, self.loop)))
