"""A walk through a table: each step continues after the last one, starting over once a lap; jobs that take turns."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from reservaestoque.postgres import CrowdedError
from reservaestoque.retention import CLOCK, LAP, Walk, taking_turns

NOW = datetime(2026, 1, 5, tzinfo=UTC)
AGE = timedelta(days=7)
Row = dict[str, Any]


class Table:
    """Stands in for a pool whose table has the keys 1 to `size`; records its arguments."""

    def __init__(self, size: int) -> None:
        self.now, self.size, self.fault = NOW, size, None
        self.asked = list[tuple[Any, ...]]()

    async def fetchval(self, statement: str) -> datetime:
        assert statement == CLOCK
        return self.now

    async def fetchrow(self, statement: str, *arguments: Any) -> Row:
        assert statement == "next rows"
        self.asked.append(arguments)
        if self.fault:
            raise self.fault
        _, rows, behind, *_ = arguments
        seen = range((behind or 0) + 1, self.size + 1)[:rows]
        return {"seen": len(seen), "last": seen[-1] if seen else None}


def walk(table: Table, **options: Any) -> Walk:
    return Walk(table, "next rows", age=AGE, rows=10, **options)


async def behinds(table: Table, walk: Walk, steps: int) -> list[int | None]:
    table.asked.clear()
    for _ in range(steps):
        await walk.step()
    return [arguments[2] for arguments in table.asked]


async def test_each_step_begins_after_the_last_one_and_reports_whether_there_is_more():
    table = Table(25)
    walking = walk(table)
    assert [(await walking.step()).more for _ in range(4)] == [True, True, False, False]
    assert [arguments[2] for arguments in table.asked] == [None, 10, 20, 25]


async def test_a_statement_gets_the_cutoff_the_row_limit_the_key_and_its_other_arguments():
    table = Table(1)
    await walk(table, arguments=("x",)).step()
    assert table.asked == [(NOW - AGE, 10, None, "x")]


async def test_the_walk_starts_over_once_a_lap_after_reaching_the_end():
    table = Table(25)
    walking = walk(table)
    await behinds(table, walking, 3)
    table.now += LAP - timedelta(seconds=1)
    assert await behinds(table, walking, 1) == [25]
    table.now += timedelta(seconds=1)
    assert await behinds(table, walking, 4) == [None, 10, 20, 25]


async def test_a_lap_that_finds_nothing_leaves_the_walk_where_it_was():
    table = Table(25)
    walking = walk(table)
    await behinds(table, walking, 3)
    table.now, table.size = table.now + LAP, 0
    await walking.step()
    table.size = 30
    assert await behinds(table, walking, 1) == [25]


async def test_a_lap_does_not_begin_before_the_end_has_been_reached():
    table = Table(1000)
    walking = walk(table)
    await walking.step()
    table.now += 2 * LAP
    assert await behinds(table, walking, 1) == [10]


async def test_a_failed_step_is_repeated():
    table = Table(25)
    walking = walk(table)
    await walking.step()
    table.fault = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await walking.step()
    table.fault = None
    assert await behinds(table, walking, 1) == [10]


async def test_a_timeout_at_the_beginning_does_not_hold_up_the_end():
    table = Table(5)
    walking = walk(table)
    await walking.step()
    table.now, table.fault = table.now + LAP, TimeoutError()
    with pytest.raises(TimeoutError):
        await walking.step()
    table.fault, table.size = None, 8
    assert await behinds(table, walking, 1) == [5]


def failures(job: str) -> float:
    return REGISTRY.get_sample_value("job_failures_total", {"name": job}) or 0.0


async def run_until(jobs: dict[str, Any], done: asyncio.Event) -> None:
    tasks = [asyncio.ensure_future(job.run()) for job in taking_turns(jobs, every=timedelta())]
    waiting = asyncio.ensure_future(done.wait())
    try:
        async with asyncio.timeout(10):
            ended, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in (waiting, *tasks):
            task.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)


async def test_a_failing_job_is_counted_and_does_not_stop_the_others():
    done, rounds = asyncio.Event(), 0

    async def failing() -> bool:
        raise CrowdedError

    async def working() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds >= 3 and failures("failing") > before:
            done.set()
        return False

    before = failures("failing")
    await run_until({"failing": failing, "working": working}, done)
    assert failures("working") == 0


async def test_a_permanent_fault_is_raised():
    async def broken() -> bool:
        raise ZeroDivisionError

    async def working() -> bool:
        return False

    with pytest.raises(ZeroDivisionError):
        await run_until({"working": working, "broken": broken}, asyncio.Event())


async def test_jobs_run_one_at_a_time_and_a_long_backlog_does_not_hold_up_the_others():
    at_work, most, done = 0, 0, asyncio.Event()
    steps = {"many": 0, "few": 0}

    def job(name: str, more: bool) -> Any:
        async def step() -> bool:
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1
            steps[name] += 1
            if steps["few"] >= 5:
                done.set()
            return more

        return step

    await run_until({"many": job("many", True), "few": job("few", False)}, done)
    assert most == 1
