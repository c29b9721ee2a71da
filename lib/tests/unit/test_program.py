"""A program: its tasks and its server start and stop together, signals stop it, and it reports its health."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import httpx
import pytest

from reservaestoque.program import Api, Health, Heartbeats, Program, Task, TaskEndedError, health_app


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A program handles the signals that end it."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lacking(*sentences: str, heartbeats: Heartbeats | None = None) -> Health:
    async def missing() -> list[str]:
        return list(sentences)

    return Health(missing, heartbeats)


def program(tasks: dict[str, Task], on_stop: Callable[[], None] = lambda: None) -> Program:
    return Program(lacking(), tasks, host="127.0.0.1", metrics_port=0, on_stop=on_stop)


async def forever() -> None:
    await asyncio.Event().wait()


async def ends() -> None:
    await asyncio.sleep(0)


async def fails() -> None:
    raise KeyError("ours")


async def cancelled() -> None:
    raise asyncio.CancelledError


async def cancelled_after_a_group_failed() -> None:
    """From then on, Python 3.11.2 treats this task as cancelled."""
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("task", "fault", "says"),
    [
        (ends, TaskEndedError, "two has ended unexpectedly"),
        (cancelled, TaskEndedError, "two was cancelled, but not by the program"),
        (cancelled_after_a_group_failed, TaskEndedError, "two was cancelled, but not by the program"),
        (fails, KeyError, "ours"),
    ],
)
async def test_a_task_that_ends_unexpectedly_ends_the_program_with_its_fault(
    task: Task, fault: type[Exception], says: str
):
    with pytest.raises(ExceptionGroup) as faults:
        await asyncio.wait_for(program({"one": forever, "two": task}).run(), 10)
    [raised] = faults.value.exceptions
    assert type(raised) is fault
    assert says in str(raised)


async def test_a_task_that_fails_lets_waiting_handlers_answer():
    """A customer whose order is committed must learn its id, however the program ends."""
    stopped = list[str]()
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(program({"one": forever, "two": fails}, lambda: stopped.append("stop")).run(), 10)
    assert stopped == ["stop"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_gracefully(number: signal.Signals):
    ended = list[str]()

    async def task() -> None:
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), number)
        try:
            await forever()
        finally:
            ended.append("task")

    await asyncio.wait_for(program({"task": task}, lambda: ended.append("stop")).run(), 10)
    assert ended == ["stop", "task"], "handlers are notified while the tasks still run"


async def test_a_signal_handler_replaced_by_a_library_can_be_restored():
    async def task() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        running.install_signal_handlers()
        loop.call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
        await forever()

    running = program({"task": task})
    await asyncio.wait_for(running.run(), 10)


async def test_the_api_and_the_metrics_have_separate_ports():
    """A client that may scrape must not reach the API, which trusts the gateway's headers."""
    api, metrics = free_ports(2)
    got: dict[tuple[int, str], str] = {}

    async def app(scope: MutableMapping[str, Any], _: object, send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"the API"})

    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False, transport=httpx.AsyncHTTPTransport(retries=5)) as client:
            for port in (api, metrics):
                for path in ("/pedidos", "/metrics", "/health/live"):
                    got[port, path] = (await client.get(f"http://127.0.0.1:{port}{path}")).text
        os.kill(os.getpid(), signal.SIGTERM)
        await forever()

    served = Program(lacking(), {"ask": ask}, host="127.0.0.1", metrics_port=metrics, api=Api(app, api))
    await asyncio.wait_for(served.run(), 10)
    assert {got[api, path] for path in ("/pedidos", "/metrics", "/health/live")} == {"the API"}
    assert "python_info" in got[metrics, "/metrics"]
    assert got[metrics, "/health/live"] == '{"stalled":{}}'
    assert got[metrics, "/pedidos"] == "{}"
    for port in (api, metrics):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


@pytest.mark.parametrize("taken", ["api", "metrics"])
async def test_a_port_in_use_ends_the_program_before_anything_runs(taken: str):
    ran: list[str] = []

    async def task() -> None:
        ran.append("task")
        await forever()

    async def app(scope: MutableMapping[str, Any], _: object, send: object) -> None:
        raise AssertionError(scope)

    ports = dict(zip(("api", "metrics"), free_ports(2), strict=True))
    with socket.create_server(("127.0.0.1", ports[taken])):
        api = Api(app, ports["api"])
        started = Program(lacking(), {"task": task}, host="127.0.0.1", metrics_port=ports["metrics"], api=api)
        with pytest.raises(SystemExit, match="1"):
            await started.run()
    assert not ran


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as taken:
        servers = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


async def answers(health: Health) -> dict[str, tuple[int, str]]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(health_app(health)), base_url="http://program"
    ) as client:
        paths = ("/health/live", "/health/ready", "/metrics", "/other")
        got = [await client.get(path) for path in paths]
    return {path: (answer.status_code, answer.text) for path, answer in zip(paths, got, strict=True)}


async def test_only_get_and_head_are_allowed():
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(health_app(lacking())), base_url="http://program"
    ) as client:
        for path in ("/health/live", "/health/ready", "/metrics"):
            refused = await client.post(path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
            assert (await client.head(path)).status_code == 200


async def test_a_loop_that_hangs_fails_liveness():
    heartbeats = Heartbeats(clock := Clock())
    beat = heartbeats.register("sweep", 60)
    health = lacking(heartbeats=heartbeats)
    clock.now += 59
    assert (await answers(health))["/health/live"] == (200, '{"stalled":{}}')
    clock.now += 2
    assert (await answers(health))["/health/live"] == (503, '{"stalled":{"sweep":61.0}}')
    beat()
    assert (await answers(health))["/health/live"][0] == 200


async def test_readiness_names_what_is_missing():
    got = await answers(lacking("the database does not answer"))
    assert got["/health/ready"] == (503, '{"missing":["the database does not answer"]}')
    assert got["/health/live"][0] == 200
    assert (await answers(lacking()))["/health/ready"] == (200, '{"missing":[]}')


async def test_it_serves_its_metrics_and_nothing_else():
    got = await answers(lacking())
    assert "python_info" in got["/metrics"][1]
    assert got["/other"][0] == 404
