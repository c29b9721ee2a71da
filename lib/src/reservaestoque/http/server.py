"""Runs a service: its HTTP server and its background tasks live and die together."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from types import FrameType
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from reservaestoque.http.wire import GatheringProtocol
from reservaestoque.telemetry import logger

Task = Callable[[], Coroutine[Any, Any, None]]

GRACE_SECONDS = 8

_log = logger(__name__)


class TaskEndedError(Exception):
    """A background task, which should run until it is stopped, has not."""


class _Server(uvicorn.Server):
    """A server that says when it begins to stop, while requests are still under way."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._on_stop()


async def serve(
    app: ASGIApp, *, host: str, port: int, tasks: Sequence[Task], on_stop: Callable[[], None] = lambda: None
) -> None:
    """Serves until SIGTERM or SIGINT, then answers what has come, within eight seconds, and stops the tasks.

    `on_stop` is called when that begins: whoever waits for something long should answer now.

    A background task that ends or fails stops the server, and its exception is raised: a service that only
    half works must be seen to be down. Ends the program (code 1) when the port cannot be bound.
    """
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=GatheringProtocol,
            log_config=None,
            access_log=False,  # the gateway has one
            server_header=False,
            proxy_headers=False,  # nobody here asks who the client is
            date_header=True,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,  # longer than the gateway keeps an idle connection, so it closes first
        ),
        on_stop,
    )
    # uvicorn takes these signals while it serves and raises them again when it has stopped: not to end us then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with _running(tasks, server):
        await server.serve()


@contextlib.asynccontextmanager
async def _running(tasks: Sequence[Task], server: uvicorn.Server) -> AsyncIterator[None]:
    running = [asyncio.create_task(_stop_when_ended(task, server), name=task.__qualname__) for task in tasks]
    try:
        yield
    finally:
        server.should_exit = True  # also when it could not begin
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
    faults = [r for r in results if isinstance(r, Exception)]
    if faults:
        raise ExceptionGroup("background tasks failed", faults)


async def _stop_when_ended(task: Task, server: uvicorn.Server) -> None:
    try:
        await _forever(task)
    except asyncio.CancelledError as cancelled:
        if server.should_exit:
            raise
        _log.exception("background_task_cancelled", task=task.__qualname__)
        raise TaskEndedError(f"{task.__qualname__} was cancelled by nobody here") from cancelled
    except Exception:
        _log.exception("background_task_failed", task=task.__qualname__)
        raise
    finally:
        server.should_exit = True


async def _forever(task: Task) -> None:
    await task()
    raise TaskEndedError(f"{task.__qualname__} has ended by itself")
