"""The bytes that a connection sends, and the number of pieces."""

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn_here import Protocol, serving

from reservaestoque.http.tuning.wire import (
    HIGH_WATER_BYTES,
    PIECE_BYTES,
    SEND_BUFFER_BYTES,
    GatheringProtocol,
    GatheringTransport,
)
from reservaestoque.monitoring import MonitoringProtocol


class FakeTransport:
    """A transport that records everything written to it."""

    def __init__(self) -> None:
        self.sent = list[bytes]()
        self.closed_after: int | None = None

    def is_closing(self) -> bool:
        return self.closed_after is not None

    def write(self, data: bytes) -> None:
        assert self.closed_after is None
        self.sent.append(data)

    def close(self) -> None:
        self.closed_after = len(self.sent)

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def transport() -> Iterator[FakeTransport]:
    return FakeTransport()


async def test_writes_of_one_loop_iteration_are_sent_in_one_piece_before_the_next(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    gathering.write(b"head ")
    gathering.write(b"body")
    assert transport.sent == []
    await asyncio.sleep(0)
    assert transport.sent == [b"head body"]
    gathering.write(b"next")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.sent == [b"head body", b"next"]


async def test_large_writes_do_not_wait_and_nothing_is_sent_twice(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    gathering.write(b"head")
    gathering.write(b"x" * PIECE_BYTES)
    assert transport.sent == [b"head" + b"x" * PIECE_BYTES]
    gathering.write(b"tail")
    await asyncio.sleep(0)
    assert transport.sent[1:] == [b"tail"]


async def test_everything_is_sent_before_it_closes(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    gathering.write(b"last words")
    gathering.close()
    assert (transport.sent, transport.closed_after) == ([b"last words"], 1)
    await asyncio.sleep(0)
    assert transport.sent == [b"last words"]


async def test_an_immediate_write_follows_everything_written_before(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    gathering.write(b"before ")
    gathering.write_now(b"now")
    assert transport.sent == [b"before now"]
    await asyncio.sleep(0)
    assert transport.sent == [b"before now"]


async def test_nothing_is_sent_to_a_client_that_has_gone(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    gathering.write(b"too late")
    transport.close()
    await asyncio.sleep(0)
    assert transport.sent == []


async def test_everything_else_is_delegated_to_the_transport(transport: FakeTransport):
    gathering = GatheringTransport(transport, asyncio.get_running_loop())
    assert gathering.get_extra_info("peername") == "the peername"


@pytest.mark.parametrize("protocol", [GatheringProtocol, MonitoringProtocol])
@pytest.mark.parametrize("how", ["closed", "reset"])
async def test_a_connection_that_has_ended_is_forgotten(how: str, protocol: Protocol):
    """At once: not when the keep-alive timer ends, and not when the garbage collector runs."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    gc.collect()
    gc.disable()
    try:
        async with serving(app, protocol) as served, asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            [kept] = map(weakref.ref, served.state.connections)
            if how == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()
            while kept() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_client_that_does_not_read_causes_back_pressure_soon(loop: str):
    """On real sockets, whose buffers would otherwise grow to megabytes."""
    receive_buffer, sent, asked = 64 * 1024, list[int](), socket.socket()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with asyncio.timeout(2):  # enough time to send many times as much
            while True:
                await send({"type": "http.response.body", "body": bytes(4096), "more_body": True})
                sent.append(4096)

    async def serve() -> None:
        async with serving(app, GatheringProtocol) as served:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            asked.connect(("127.0.0.1", served.port))
            asked.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while not sent or served.state.tasks:
                await asyncio.sleep(0.01)
            asked.close()

    with asyncio.Runner(loop_factory=uvicorn.Config(app, loop=loop).get_loop_factory()) as runner:  # type: ignore[arg-type]
        runner.run(serve())
    # The kernel doubles the requested size, on both sides.
    assert 100_000 < sum(sent) < 2 * SEND_BUFFER_BYTES + 2 * receive_buffer + HIGH_WATER_BYTES + PIECE_BYTES
