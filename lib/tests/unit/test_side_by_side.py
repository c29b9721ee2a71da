"""Concurrent jobs on a connection: one that failed, or that the client library cancelled, never counts as done."""

import asyncio

import pytest

from reservaestoque.bus.connection import side_by_side


async def ends(log: list[str]) -> None:
    await asyncio.sleep(0)
    log.append("ended")


async def fails(fault: BaseException) -> None:
    await asyncio.sleep(0)
    raise fault


async def waits(log: list[str]) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise


async def test_it_returns_once_all_jobs_have_ended():
    log: list[str] = []
    await side_by_side([ends(log), ends(log)])
    assert log == ["ended", "ended"]


async def test_without_jobs_it_returns_at_once():
    await side_by_side([])


async def test_a_failing_job_cancels_the_others():
    log: list[str] = []
    with pytest.raises(ConnectionResetError):
        await side_by_side([waits(log), fails(ConnectionResetError("gone"))])
    assert log == ["cancelled"]


async def test_a_bug_is_raised_rather_than_a_broker_fault():
    with pytest.raises(KeyError):
        await side_by_side([fails(ConnectionResetError("gone")), fails(KeyError("ours"))])


async def test_a_confirm_cancelled_by_the_library_counts_as_failed():
    with pytest.raises(ConnectionAbortedError):
        await side_by_side([fails(asyncio.CancelledError())])


async def test_a_waiting_job_can_be_cancelled():
    log: list[str] = []
    waiting = asyncio.create_task(side_by_side([waits(log)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert log == ["cancelled"]


async def test_a_failure_does_not_affect_later_timeouts():
    """Python 3.11.2 takes a timeout after a failed TaskGroup for the end of the task: the program ended."""
    with pytest.raises(ConnectionResetError):
        await side_by_side([fails(ConnectionResetError("gone"))])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)
