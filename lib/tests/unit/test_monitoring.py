"""The port of health and metrics answers probes, whatever its other clients do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from reservaestoque.monitoring import CONNECTIONS, REQUEST_BYTES
from reservaestoque.program import Health, Program

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]

PROBE = b"GET /health/live HTTP/1.1\r\nHost: program\r\n\r\n"
READY = PROBE.replace(b"live", b"ready")


@asynccontextmanager
async def serving(release: asyncio.Event) -> AsyncIterator[Connect]:
    """A program whose readiness is decided once `release` is set."""

    async def missing() -> list[str]:
        await release.wait()
        return []

    async def forever() -> None:
        await asyncio.Event().wait()

    program = Program(Health(missing), {"task": forever}, host="127.0.0.1", metrics_port=0)
    running = asyncio.create_task(program.run())
    server = program._servers[0]
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    connections: list[Connection] = []

    async def connect() -> Connection:
        connections.append(await asyncio.open_connection("127.0.0.1", port))
        return connections[-1]

    try:
        yield connect
    finally:
        release.set()
        for _, writer in connections:
            writer.close()
        program.stop()
        await asyncio.wait_for(running, 10)


async def answer(connection: Connection, request: bytes = PROBE) -> bytes:
    """The status of the answer; empty if the connection was closed instead."""
    reader, writer = connection
    try:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
    return head.split()[1]


async def test_a_probe_is_answered_however_many_silent_connections_are_open():
    async with serving(asyncio.Event()) as connect:
        idle = [await connect() for _ in range(CONNECTIONS + 20)]
        await asyncio.sleep(0.2)
        assert await answer(await connect()) == b"200"
        assert sum(reader.at_eof() for reader, _ in idle) == 21, "the oldest have made room"
        assert await answer(idle[-1]) == b"200"


async def test_an_idle_connection_makes_room_before_one_that_is_being_answered():
    release = asyncio.Event()
    async with serving(release) as connect:
        scraping = [asyncio.create_task(answer(await connect(), READY)) for _ in range(CONNECTIONS - 1)]
        idle = await connect()
        await asyncio.sleep(0.2)
        assert await answer(await connect()) == b"200"
        assert await answer(idle) == b""
        release.set()
        assert await asyncio.gather(*scraping) == [b"200"] * (CONNECTIONS - 1)


async def test_probes_are_answered_while_every_other_connection_waits_for_an_answer():
    async with serving(asyncio.Event()) as connect:
        scraping = [asyncio.create_task(answer(await connect(), READY)) for _ in range(CONNECTIONS)]
        await asyncio.sleep(0.2)
        assert await answer(await connect()) == b"200"
        assert await scraping[0] == b""


async def test_an_endless_request_loses_its_connection_and_many_short_ones_do_not():
    async with serving(asyncio.Event()) as connect:
        header = b"X: " + b"a" * (REQUEST_BYTES // 2)
        assert await answer(await connect(), PROBE[:-2] + header * 2) == b""
        steady = await connect()
        assert [await answer(steady, PROBE[:-2] + header + b"\r\n\r\n") for _ in range(5)] == [b"200"] * 5
