"""Both clients and servers that never end their answers."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from reserva import AsyncReserva, Reserva, ReservaError, Retry, UnreachableError, UnreadableAnswerError, transport

OK, REFUSED = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"
ORDER = "019ab3f2-7c00-7000-8000-0000000000a1"
ONCE = Retry(deadline=1, attempts=1)
Serve = Callable[[bytes, bytes, float], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server: it sends the head, then the piece again and again."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(over.set)

        def start(head: bytes, piece: bytes, pause: float) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def answer() -> None:
                with contextlib.suppress(OSError), server.accept()[0] as connection:
                    connection.recv(65536)
                    connection.sendall(head)
                    while not over.wait(pause):
                        connection.sendall(piece)

            threading.Thread(target=answer, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start


ENDLESS = [
    pytest.param(b" " * (1 << 20), 0.0, UnreadableAnswerError, "larger than 32 MiB", id="flood"),
    pytest.param(b" ", 0.05, UnreachableError, "no answer within", id="drip"),
]


@pytest.mark.parametrize(("piece", "pause", "error", "message"), ENDLESS)
async def test_an_endless_answer_is_an_error(
    serve: Serve, piece: bytes, pause: float, error: type[ReservaError], message: str
):
    with Reserva(serve(OK, piece, pause), retry=ONCE) as sync, pytest.raises(error, match=message):
        sync.pedido(ORDER)
    async with AsyncReserva(serve(OK, piece, pause), retry=ONCE) as client:
        with pytest.raises(error, match=message):
            await client.pedido(ORDER)


async def test_an_endless_refusal_of_a_stream_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport, "REFUSAL_SECONDS", 0.3)
    began = time.monotonic()
    with Reserva(serve(REFUSED, b" ", 0.05), retry=ONCE) as sync, pytest.raises(ReservaError, match="400"):
        next(sync.follow_saldos())
    async with AsyncReserva(serve(REFUSED, b" ", 0.05), retry=ONCE) as client:
        with pytest.raises(ReservaError, match="400"):
            await anext(client.follow_saldos())
    assert time.monotonic() - began < 10
