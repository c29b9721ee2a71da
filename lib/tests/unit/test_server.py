"""A service and its background tasks live and die together."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from litestar import Litestar

from reservaestoque.http.server import Task, TaskEndedError, serve


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """`serve` takes the signals that end a program."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


async def forever() -> None:
    await asyncio.Event().wait()


async def ends() -> None:
    await asyncio.sleep(0)


async def fails() -> None:
    raise KeyError("ours")


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("task", "fault"), [(ends, TaskEndedError), (cancelled, TaskEndedError), (fails, KeyError)])
async def test_a_task_that_is_no_more_ends_the_service_with_its_fault(task: Task, fault: type[Exception]):
    with pytest.raises(ExceptionGroup) as faults:
        await asyncio.wait_for(serve(Litestar(), host="127.0.0.1", port=0, tasks=(forever, task)), 10)
    assert [type(one) for one in faults.value.exceptions] == [fault]
