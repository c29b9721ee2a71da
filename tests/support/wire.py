"""A wire to a server that can be cut silently: to a client, this looks like a lost node or dropped packets."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024


class Wire:
    """Forwards TCP connections from `port` on 127.0.0.1 to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.accepted = 0
        """Connections forwarded so far."""
        self._mute = False
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.vanish()
        for writer in self._writers:
            if not writer.transport.is_closing():  # Python 3.11 cannot abort a TLS transport that has closed
                writer.transport.abort()

    def vanish(self) -> None:
        """Open connections stay open but carry no more data; new ones reach the server."""
        for pump in self._pumps:
            pump.cancel()
        self._pumps.clear()

    def mute(self) -> None:
        """New connections are accepted but carry no data; open ones work."""
        self._mute = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(server_writer)
        self.accepted += 1
        if self._mute:
            return
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            pump = asyncio.create_task(_pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
        sink.close()
