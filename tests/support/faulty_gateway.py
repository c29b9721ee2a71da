"""A gateway with scripted faults, between a client and the real one; it records the requests."""

import asyncio
from collections import deque
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

GARBAGE = b"<html><body>It works!</body></html>"


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]


class FaultyGateway:
    """Each request takes the next of `faults`; without one it is forwarded.

    503: refused, in HTML, with Retry-After: 1. 401: refused. cut-before: the connection is cut before forwarding.
    cut-after: the request is forwarded, and the connection cut in the middle of the answer. slow: the request is
    forwarded, and the answer delayed by two seconds. garbage: answered with an unrelated web page. cut-stream: cut
    after the first event.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.faults: deque[str] = deque()
        self.received: list[Received] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def keys(self) -> list[str | None]:
        return [one.headers.get("idempotency-key") for one in self.received]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has disconnected
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.is_reading() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ")
        self.received.append(Received(method, path, headers))
        fault = self.faults.popleft() if self.faults else ""
        if fault == "503":
            writer.write(b"HTTP/1.1 503 X\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        elif fault == "401":
            writer.write(b"HTTP/1.1 401 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        elif fault == "garbage":
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(GARBAGE), GARBAGE)
            )
        elif fault != "cut-before":
            kept = [line for line in lines if not line.lower().startswith("connection:")]
            again = "\r\n".join([first, *kept, "Connection: close", "", ""]).encode("latin-1")
            await self._pass_on(again + body, writer, fault)
        await writer.drain()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter, fault: str) -> None:
        back, forth = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            forth.write(request)
            if fault in ("cut-after", "slow"):
                answer = await back.read(-1)
                await asyncio.sleep(2 if fault == "slow" else 0)
                writer.write(answer if fault == "slow" else answer[: len(answer) - 20])
                return
            sent = b""
            while piece := await back.read(65536):
                writer.write(piece)
                await writer.drain()
                sent += piece
                if fault == "cut-stream" and b"\ndata:" in sent:
                    return
        finally:
            forth.close()
