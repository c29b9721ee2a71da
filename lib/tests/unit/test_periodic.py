"""A job in steps: how long it pauses, on a clock that only pauses move."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from reservaestoque import periodic
from reservaestoque.periodic import Pace, Periodic


class Clock:
    """Replaces time.monotonic() and asyncio.sleep() here."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(periodic, "time", clock)
    monkeypatch.setattr(periodic.asyncio, "sleep", clock.sleep)
    return clock


@pytest.mark.parametrize(
    ("takes", "more", "rest", "pause"),
    [
        (1.0, False, 0.0, 5.0),
        (9.0, False, 0.0, 5.0),
        (1.0, True, 0.0, 0.5),
        (0.5, False, 9.0, 5.0),
        (1.0, False, 9.0, 9.0),
        (1.0, True, 9.0, 9.0),
    ],
)
async def test_it_pauses_its_interval_or_a_multiple_of_what_the_step_took(
    clock: Clock, takes: float, more: bool, rest: float, pause: float
):
    began = list[float]()

    async def step() -> bool:
        began.append(clock.now)
        if len(began) == 3:
            raise asyncio.CancelledError
        clock.now += takes
        return more

    pace = Pace(every=timedelta(seconds=5), between=timedelta(seconds=0.5), rest=rest)
    job = Periodic(step, name="job", pace=pace)
    with pytest.raises(asyncio.CancelledError):
        await job.run()
    assert began == [0.0, takes + pause, 2 * (takes + pause)]


async def test_it_beats_through_a_long_pause(clock: Clock):
    beats, steps = list[float](), 0

    async def step() -> bool:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise asyncio.CancelledError
        return False

    pace = Pace(every=timedelta(minutes=5))
    job = Periodic(step, name="job", pace=pace, beat=lambda: beats.append(clock.now))
    with pytest.raises(asyncio.CancelledError):
        await job.run()
    assert beats[-1] == 300
    assert max(later - earlier for earlier, later in pairwise(beats)) <= 5


async def test_it_wakes_from_its_pause_and_not_from_its_back_off():
    wake, steps = asyncio.Event(), list[bool]()
    woken = asyncio.Event()

    async def step() -> bool:
        steps.append(wake.is_set())
        if len(steps) == 2:
            woken.set()
        if len(steps) > 1:
            wake.set()
            raise ConnectionResetError
        return False

    job = Periodic(
        step,
        name="job",
        pace=Pace(every=timedelta(hours=1)),
        transient=(ConnectionResetError,),
        wake=wake,
    )
    running = asyncio.create_task(job.run())
    await asyncio.sleep(0)
    wake.set()
    async with asyncio.timeout(5):
        await woken.wait()
    await asyncio.sleep(0.01)
    running.cancel()
    assert steps == [False, False], "one wake, one step; after a failure the pause is kept"


async def test_a_permanent_fault_ends_it():
    async def step() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Periodic(step, name="job", pace=Pace(every=timedelta())).run()
