"""A program's life cycle: its tasks and HTTP servers run together until a signal stops them, and serve its health."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
import uvicorn
from prometheus_client import disable_created_metrics

from reservaestoque.monitoring import MonitoringProtocol
from reservaestoque.telemetry import App, logger, traced
from reservaestoque.telemetry.exposition import exposed
from reservaestoque.telemetry.load import observe_loop_lag

Task = Callable[[], Coroutine[Any, Any, None]]
"""A coroutine function that runs until it is cancelled."""

Connection = Callable[..., asyncio.Protocol]
"""Creates the protocol of an accepted connection from uvicorn's arguments."""

Missing = Callable[[], Awaitable[list[str]]]
"""The reasons why a program is not ready, as sentences; none when it is."""

GRACE_SECONDS = 8
"""Time limit for requests in flight once the program is stopping."""

_log = logger(__name__)


class TaskEndedError(Exception):
    """A task that should run for as long as its program has returned, or was cancelled by a library."""


class Heartbeats:
    """Distinguishes a hanging loop from a working one. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadlines: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def register(self, name: str, deadline: float) -> Callable[[], None]:
        """The function that `name` must call at least every `deadline` seconds, counted from now."""
        self._deadlines[name] = deadline

        def beat() -> None:
            self._last[name] = self._clock()

        beat()
        return beat

    def stalled(self) -> dict[str, float]:
        """The loops that missed their deadline, with the seconds since each one's last beat."""
        now = self._clock()
        return {name: now - last for name, last in self._last.items() if now - last > self._deadlines[name]}


class Health:
    """Answers to the probes: HTTP status and body."""

    def __init__(self, missing: Missing, heartbeats: Heartbeats | None = None) -> None:
        self._missing = missing
        self._heartbeats = heartbeats or Heartbeats()

    def live(self) -> tuple[int, dict[str, Any]]:
        """503 while a loop is stalled: only a restart helps."""
        stalled = {name: round(seconds, 1) for name, seconds in self._heartbeats.stalled().items()}
        return 503 if stalled else 200, {"stalled": stalled}

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """503 while anything is missing: no traffic yet."""
        missing = await self._missing()
        return 503 if missing else 200, {"missing": missing}


async def _answer(health: Health, path: str, accept: str) -> tuple[int, bytes, str]:
    body: dict[str, Any]
    match path:
        case "/metrics":
            return 200, *exposed(accept)
        case "/health/live":
            status, body = health.live()
        case "/health/ready":
            status, body = await health.ready()
        case _:
            status, body = 404, {}
    return status, msgspec.json.encode(body), "application/json"


def health_app(health: Health) -> App:
    """/health/live, /health/ready and /metrics, by GET or HEAD."""

    async def app(scope: MutableMapping[str, Any], _: object, send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 405, "headers": headers})
            await send({"type": "http.response.body"})
            return
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        status, body, content_type = await _answer(health, scope["path"], accept)
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class _Server(uvicorn.Server):
    """Leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(
    app: App,
    host: str,
    port: int,
    *,
    protocol: Connection | Literal["auto"] = "auto",
    grace: int = GRACE_SECONDS,
) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=cast(Any, protocol),  # uvicorn calls it, regardless of its type
            log_config=None,
            access_log=False,  # the gateway has one
            server_header=False,
            proxy_headers=False,  # the client's address is not used
            date_header=True,
            timeout_graceful_shutdown=grace,
            timeout_keep_alive=75,  # longer than the gateway keeps an idle connection, so it closes first
        )
    )


def _bind(config: uvicorn.Config) -> socket.socket:
    """A listening socket, opened before any task or server starts."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=config.backlog)
    except OSError as fault:
        _log.error("port_not_bound", host=config.host, port=config.port, fault=str(fault))
        raise SystemExit(1) from fault


@dataclass(frozen=True)
class Api:
    """The API that a program serves to the gateway."""

    app: App
    port: int
    protocol: Connection | Literal["auto"] = "auto"


class Program:
    """HTTP servers and the tasks beside them. A stop that takes longer than `stop_seconds` ends in exit code 1.

    Health and metrics have a port of their own, so that clients which may scrape them cannot reach the API, which
    trusts the gateway's headers. Both servers share the event loop, so a probe of either shows that it runs.
    """

    def __init__(
        self,
        health: Health,
        tasks: Mapping[str, Task],
        *,
        host: str,
        metrics_port: int,
        api: Api | None = None,
        on_stop: Callable[[], None] = lambda: None,
        stop_seconds: float = 12.0,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # one more series per counter; no query uses it
        self._tasks = {**tasks, "loop lag": observe_loop_lag}
        self._on_stop = on_stop
        self._stop_seconds = stop_seconds
        self._stopping = False
        self._servers = [_server(health_app(health), host, metrics_port, protocol=MonitoringProtocol, grace=1)]
        if api:
            self._servers.append(_server(traced(api.app), host, api.port, protocol=api.protocol))

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT; then answers pending requests, for GRACE_SECONDS at most, and ends the tasks.

        `on_stop` is called first: handlers in a long wait should answer then.

        A task that ends or fails stops the program, and its exception is raised in an ExceptionGroup: a program that
        works only partly must be visibly down. Ends the process (code 1) when a port cannot be bound.
        """
        with contextlib.ExitStack() as stack:
            bound = [(server, stack.enter_context(_bind(server.config))) for server in self._servers]
            self.install_signal_handlers()
            async with self._running():
                await asyncio.gather(*(server.serve([one]) for server, one in bound))

    def install_signal_handlers(self) -> None:
        """Makes SIGTERM and SIGINT stop the program. Call it again after a library has replaced the handlers."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """The effect of SIGTERM or SIGINT."""
        if not self._stopping:
            _log.info("stopping")
            self._begin_to_stop()
            self._on_stop()

    def _begin_to_stop(self) -> None:
        self._stopping = True
        for server in self._servers:
            server.should_exit = True
        asyncio.get_running_loop().call_later(self._stop_seconds, self._kill)

    def _kill(self) -> None:
        """A hanging peer must not delay shutdown. Everything that matters is in PostgreSQL and in the broker."""
        _log.error("stop_took_too_long", seconds=self._stop_seconds)
        os._exit(1)

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        running = [asyncio.create_task(self._supervise(name, task), name=name) for name, task in self._tasks.items()]
        try:
            yield
        finally:
            self._begin_to_stop()
            for task in running:
                task.cancel()
            results = await asyncio.gather(*running, return_exceptions=True)
        faults = [r for r in results if isinstance(r, Exception)]
        if faults:
            raise ExceptionGroup("background tasks failed", faults)

    async def _supervise(self, name: str, task: Task) -> None:
        """Runs a task that must not end before the program does.

        `_stopping` shows whether the program requested a cancellation: in Python 3.11.2 (Debian 12),
        Task.cancelling() also counts that of a TaskGroup which failed within the task.
        """
        try:
            await _forever(name, task)
        except asyncio.CancelledError as cancelled:
            if self._stopping:
                raise
            _log.exception("background_task_cancelled", task=name)
            raise TaskEndedError(f"{name} was cancelled, but not by the program") from cancelled
        except Exception:
            _log.exception("background_task_failed", task=name)
            raise
        finally:
            self.stop()


async def _forever(name: str, task: Task) -> None:
    await task()
    raise TaskEndedError(f"{name} has ended unexpectedly")
