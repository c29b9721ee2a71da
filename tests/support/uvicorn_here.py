"""An ASGI application on uvicorn, in this event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

Protocol = Callable[..., asyncio.Protocol]

DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"


@dataclass(frozen=True)
class Served:
    """A port of 127.0.0.1 on which connections are served, and uvicorn's state of them."""

    port: int
    state: ServerState


@contextlib.asynccontextmanager
async def serving(app: Any, protocol: Protocol = HttpToolsProtocol) -> AsyncIterator[Served]:
    """Serves connections inside the block, at DATE, without the slow start and stop of uvicorn's server."""
    config, state = _config(app, protocol), ServerState()
    state.default_headers = [(b"date", DATE)]
    listening = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with listening:
        yield Served(listening.sockets[0].getsockname()[1], state)
        for connection in [*state.connections]:
            connection.transport.abort()  # type: ignore[union-attr]
        for task in [*state.tasks]:
            task.cancel()


@contextlib.asynccontextmanager
async def running(app: Any, protocol: Protocol, **settings: Any) -> AsyncIterator[uvicorn.Server]:
    """A started server, with these settings of `uvicorn.Config`, that stops after the block."""
    server = uvicorn.Server(_config(app, protocol, **settings))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        await task


def port_of(server: uvicorn.Server) -> int:
    """Its port on 127.0.0.1."""
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


def _config(app: Any, protocol: Protocol, **settings: Any) -> uvicorn.Config:
    http: Any = protocol
    return uvicorn.Config(app, port=0, http=http, lifespan="off", log_config=None, access_log=False, **settings)
