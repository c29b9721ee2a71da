"""What a connection sends, and in how many pieces."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from reservaestoque.http.wire import (
    HIGH_WATER_BYTES,
    PIECE_BYTES,
    SEND_BUFFER_BYTES,
    GatheringProtocol,
    GatheringTransport,
)


class Transporte:
    """A transport that notes what it is given."""

    def __init__(self) -> None:
        self.enviado = list[bytes]()
        self.fechado_apos: int | None = None

    def is_closing(self) -> bool:
        return self.fechado_apos is not None

    def write(self, data: bytes) -> None:
        assert self.fechado_apos is None
        self.enviado.append(data)

    def close(self) -> None:
        self.fechado_apos = len(self.enviado)

    def get_extra_info(self, nome: str) -> str:
        return f"the {nome}"


@pytest.fixture
def transporte() -> Iterator[Transporte]:
    return Transporte()


async def test_what_is_written_in_one_turn_leaves_in_one_piece_before_the_next(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"head ")
    junto.write(b"body")
    assert transporte.enviado == []
    await asyncio.sleep(0)
    assert transporte.enviado == [b"head body"]
    junto.write(b"next")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transporte.enviado == [b"head body", b"next"]


async def test_what_is_large_does_not_wait_and_nothing_is_sent_twice(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"head")
    junto.write(b"x" * PIECE_BYTES)
    assert transporte.enviado == [b"head" + b"x" * PIECE_BYTES]
    junto.write(b"tail")
    await asyncio.sleep(0)
    assert transporte.enviado[1:] == [b"tail"]


async def test_all_is_sent_before_it_closes(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"last words")
    junto.close()
    assert (transporte.enviado, transporte.fechado_apos) == ([b"last words"], 1)
    await asyncio.sleep(0)
    assert transporte.enviado == [b"last words"]


async def test_nothing_is_sent_to_who_has_gone_meanwhile(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"too late")
    transporte.close()
    await asyncio.sleep(0)
    assert transporte.enviado == []


async def test_the_rest_is_the_transports_own(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    assert junto.get_extra_info("peername") == "the peername"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_a_client_does_not_read_is_held_back_soon(loop: str):
    """On real sockets, whose buffers would otherwise grow to megabytes."""
    receive_buffer, sent, asked = 64 * 1024, list[int](), socket.socket()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with asyncio.timeout(2):  # longer than it takes to send many times as much
            while True:
                await send({"type": "http.response.body", "body": bytes(4096), "more_body": True})
                sent.append(4096)

    async def serve() -> None:
        config = uvicorn.Config(app, port=0, http=GatheringProtocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        asked.connect(server.servers[0].sockets[0].getsockname())
        asked.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not sent or server.server_state.tasks:
            await asyncio.sleep(0.01)
        asked.close()
        server.should_exit = True
        await serving

    with asyncio.Runner(loop_factory=uvicorn.Config(app, loop=loop).get_loop_factory()) as runner:  # type: ignore[arg-type]
        runner.run(serve())
    # The kernel doubles what it is asked for, on both sides.
    assert 100_000 < sum(sent) < 2 * SEND_BUFFER_BYTES + 2 * receive_buffer + HIGH_WATER_BYTES + PIECE_BYTES
