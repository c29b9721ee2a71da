"""A stream as an HTTP answer, on a server and with clients of a few lines."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from reservaestoque.http import ProblemError
from reservaestoque.http.caller import ANYONE, Caller
from reservaestoque.streams import (
    EventStream,
    InvalidPositionError,
    PositionLostError,
    Streams,
    client_of,
    resuming,
)
from reservaestoque.streams.response import PIECE_BYTES


class Client:
    """A server's view of a client: `takes` is cleared while it does not read, `leaves` set when it disconnects."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.takes.set()
        self.leaves = asyncio.Event()
        self.got: list[Any] = []

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.got.append(message)

    async def receive(self) -> Any:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.got)

    @property
    def complete(self) -> bool:
        return self.got[-1].get("more_body") is False


class Pieces:
    """A source of pieces that records whether it was closed."""

    def __init__(self, *pieces: bytes, forever: bool = False) -> None:
        self._pieces = pieces
        self._forever = forever
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                yield piece
            if self._forever:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def serve(stream: EventStream, client: Client) -> "asyncio.Task[None]":
    scope: Any = {"type": "http"}
    return asyncio.create_task(stream(scope, client.receive, client.send))


async def test_pieces_are_sent_as_an_event_stream_until_they_end():
    pieces, client, streams = Pieces(b"a\n\n", b"b\n\n"), Client(), Streams(9, 9)
    await serve(EventStream(streams, "ana", pieces()), client)
    start = client.got[0]
    assert start["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
    assert (b"x-accel-buffering", b"no") in start["headers"]
    assert b"content-length" not in dict(start["headers"])
    assert client.body == b"a\n\nb\n\n"
    assert client.complete


async def test_a_large_piece_is_sent_in_parts_each_waiting_for_the_client():
    pieces, client = Pieces(b"x" * (2 * PIECE_BYTES + 1)), Client()
    await serve(EventStream(Streams(9, 9), "ana", pieces()), client)
    assert [len(m["body"]) for m in client.got[1:]] == [PIECE_BYTES, PIECE_BYTES, 1, 0]


async def test_a_client_that_disconnects_ends_its_stream_and_frees_its_place():
    pieces, client, streams = Pieces(b"a\n\n", forever=True), Client(), Streams(1, 1)
    serving = serve(EventStream(streams, "ana", pieces()), client)
    async with asyncio.timeout(10):
        while not client.body:
            await asyncio.sleep(0)
    with pytest.raises(ProblemError) as refused:
        streams.admit("ana")
    assert (refused.value.problem.status, refused.value.problem.slug) == (503, "indisponivel")
    client.leaves.set()
    await serving
    assert pieces.closed
    streams.admit("ana")


async def test_a_client_that_disconnects_without_reading_ends_its_stream_too():
    pieces, client = Pieces(b"a\n\n", forever=True), Client()
    serving = serve(EventStream(Streams(1, 1), "ana", pieces()), client)
    client.takes.clear()
    await asyncio.sleep(0.01)
    client.leaves.set()
    client.takes.set()
    await serving
    assert pieces.closed


async def test_a_client_that_reads_nothing_is_dropped_after_a_timeout():
    pieces, client, streams = Pieces(*[b"a\n\n"] * 1000, forever=True), Client(), Streams(1, 1)
    serving = serve(EventStream(streams, "ana", pieces(), send_seconds=0.02), client)
    await asyncio.sleep(0)
    client.takes.clear()  # after its first piece at the latest
    await asyncio.wait_for(serving, 10)
    assert pieces.closed
    assert not client.complete
    streams.admit("ana")


async def test_streams_admitted_at_once_do_not_open_beyond_the_limit():
    streams, clients = Streams(2, 2), [Client() for _ in range(5)]
    for _ in clients:
        streams.admit("ana")
    serving = [serve(EventStream(streams, "ana", Pieces(forever=True)()), client) for client in clients]
    await asyncio.sleep(0.01)
    assert [type(task.exception()) for task in serving if task.done()] == [ProblemError] * 3
    assert [len(client.got) for client in clients] == [1, 1, 0, 0, 0], "refused before anything was sent"
    for client in clients:
        client.leaves.set()
    await asyncio.gather(*serving, return_exceptions=True)


async def test_each_client_has_a_limit_that_leaves_streams_for_others():
    streams, clients = Streams(3, 2), [Client() for _ in range(4)]
    serving = [
        serve(EventStream(streams, name, Pieces(forever=True)()), client)
        for name, client in zip(("ana", "ana", "ana", "bia"), clients, strict=True)
    ]
    await asyncio.sleep(0.01)
    [refused] = [task.exception() for task in serving if task.done()]
    assert isinstance(refused, ProblemError)
    assert (refused.problem.status, refused.problem.slug) == (429, "limite-excedido")
    assert "2 of your event streams" in refused.detail
    assert [len(client.got) for client in clients] == [1, 1, 0, 1]
    clients[0].leaves.set()
    await serving[0]
    streams.admit("ana")
    for client in clients:
        client.leaves.set()
    await asyncio.gather(*serving, return_exceptions=True)
    assert not streams._by_client, "nothing is kept for clients that have disconnected"


async def test_clients_with_many_streams_leave_some_for_others():
    """Fifty clients with twenty streams each once took all thousand."""
    streams = Streams(1000, 20)
    with contextlib.ExitStack() as opened:
        for number in range(60):
            for _ in range(20):
                with contextlib.suppress(ProblemError):
                    opened.enter_context(streams.counted(f"greedy {number}"))
        assert streams._open == 900 + 15 * 2, "45 have twenty, and the others two"
        for _ in range(2):
            opened.enter_context(streams.counted("panel"))
        for client in ("panel", "greedy 50"):
            with pytest.raises(ProblemError, match="clients with fewer than 2") as refused:
                streams.admit(client)
            assert refused.value.problem.status == 503
        for number in range(68):
            opened.enter_context(streams.counted(f"new {number}"))
        with pytest.raises(ProblemError, match="1000 event streams"):
            streams.admit("last")
    streams.admit("greedy 0")
    assert not streams._by_client


@pytest.mark.parametrize(
    ("caller", "address", "client"),
    [
        (Caller("ana"), b"10.0.0.1", "ana"),
        (ANYONE, b"203.0.113.9", "203.0.113.9"),
        (ANYONE, b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (ANYONE, b"a pipe", "a pipe"),
        (ANYONE, b"", "127.0.0.1"),
    ],
)
def test_streams_are_counted_per_subject_or_else_per_address(caller: Caller, address: bytes, client: str):
    headers = [(b"x-reserva-client", address)] if address else []
    scope: Any = {"type": "http", "headers": headers, "client": ("127.0.0.1", 1234)}
    assert client_of(caller, scope) == client


async def test_a_cancelled_stream_raises_and_leaves_nothing_behind():
    """What the server does when the grace period is over."""
    pieces, client, streams = Pieces(b"a\n\n", forever=True), Client(), Streams(1, 1)
    serving = serve(EventStream(streams, "ana", pieces()), client)
    await asyncio.sleep(0.01)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert pieces.closed
    streams.admit("ana")


async def test_a_fault_is_not_hidden():
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"a\n\n"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await serve(EventStream(Streams(1, 1), "ana", broken()), Client())


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (InvalidPositionError("three numbers"), 400, "three numbers"),
        (PositionLostError("there is no change 1.1.1"), 410, "begin without Last-Event-ID"),
    ],
)
def test_a_bad_id_is_a_problem(error: Exception, status: int, says: str):
    with pytest.raises(ProblemError, match=says) as refused, resuming():
        raise error
    assert refused.value.problem.status == status
