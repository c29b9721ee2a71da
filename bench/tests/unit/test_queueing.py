"""The simulation's parts agree with known closed-form results."""

import random
from math import inf

import pytest

from bench.queueing import Clock, Flush, Gauge, Locks, Loop, Machine


def waits(load: float, *, orders: int = 40_000) -> list[float]:
    """Times in system on one thread: Poisson arrivals, service of 1 ms."""
    clock, rng = Clock(), random.Random(1)
    loop = Loop(Machine(clock, 1), "part", switch=0.0)
    passed: list[float] = []

    def arrive() -> None:
        sent = clock.now
        loop.submit(1.0, lambda: passed.append(clock.now - sent))
        clock.at(clock.now + rng.expovariate(load), arrive)

    clock.at(0.0, arrive)
    while len(passed) < orders:
        clock.run(clock.now + 1000)
    return passed


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_thread_is_an_m_d_1_queue(load: float) -> None:
    passed = waits(load)
    expected = 1 + load / (2 * (1 - load))  # Pollaczek-Khinchine
    assert sum(passed) / len(passed) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("time_slice", "ends"), [(inf, [3.0, 4.0, 6.0]), (1.0, [6.0, 2.0, 5.0])])
def test_jobs_take_turns_after_a_time_slice(time_slice: float, ends: list[float]) -> None:
    clock, seen = Clock(), dict[int, float]()
    machine = Machine(clock, 1, time_slice)
    for number, cpu in enumerate((3.0, 1.0, 2.0)):
        machine.run("part", cpu, lambda number=number: seen.update({number: clock.now}))
    clock.run(10)
    assert [seen[number] for number in range(3)] == pytest.approx(ends)
    assert machine.cpu == {"part": 6.0}


def test_a_thread_with_more_to_do_keeps_its_core_for_its_time_slice() -> None:
    clock, ends = Clock(), list[str]()
    machine = Machine(clock, 1, 2.0)
    loop = Loop(machine, "loop", switch=0.0)
    for _ in range(5):
        loop.submit(1.0, lambda: ends.append("loop"))
    machine.run("job", 1.0, lambda: ends.append("job"))
    clock.run(10)
    assert ends == ["loop", "loop", "job", "loop", "loop", "loop"]


def test_cores_work_side_by_side() -> None:
    clock, ends = Clock(), list[float]()
    machine = Machine(clock, 2, 4.0)
    for cpu in (1.0, 1.0, 2.0):
        machine.run("part", cpu, lambda: ends.append(clock.now))
    clock.run(10)
    assert ends == [1.0, 1.0, 3.0]


def test_a_job_never_runs_faster_than_one_core() -> None:
    clock, ends = Clock(), list[float]()
    Machine(clock, 16).run("part", 3.0, lambda: ends.append(clock.now))
    clock.run(10)
    assert ends == [3.0]


def test_a_job_waits_for_its_own_core_until_the_next_tick_although_another_is_idle() -> None:
    clock, ends = Clock(), dict[str, float]()
    machine = Machine(clock, 2, 4.0)

    def run(part: str, cpu: float) -> None:
        machine.run(part, cpu, lambda: ends.update({part: clock.now}))

    run("long", 10.0)
    run("short", 1.0)
    clock.at(0.5, lambda: run("moved", 1.0))  # both cores are busy: it waits for that of the long one
    clock.run(20)
    assert ends == {"short": 1.0, "moved": 5.0, "long": 10.0}


def test_a_job_returns_to_its_core_or_takes_an_idle_one() -> None:
    clock, ends = Clock(), list[tuple[str, float]]()
    machine = Machine(clock, 2, 4.0)
    for time, part in ((0.0, "a"), (0.0, "b"), (2.0, "a"), (2.5, "a")):
        clock.at(time, lambda part=part: machine.run(part, 1.0, lambda: ends.append((part, clock.now))))
    clock.run(10)
    assert ends == [("a", 1.0), ("b", 1.0), ("a", 3.0), ("a", 3.5)]
    assert machine.switches == {"a": 2, "b": 1}


def test_a_core_that_turns_to_another_thread_spends_a_switch() -> None:
    clock, ends = Clock(), list[float]()
    machine = Machine(clock, 1)
    loops = [Loop(machine, "part", switch=5.0) for _ in range(2)]
    for loop in (loops[0], loops[0], loops[1], loops[0]):
        loop.submit(1.0, lambda: ends.append(clock.now))
    clock.run(100)
    assert ends == [6.0, 7.0, 8.0, 14.0]
    assert machine.cpu == {"part": 14.0}
    assert (machine.switches, loops[0].cpu) == ({"part": 2}, 3.0)


def test_a_flush_serves_all_requests_that_arrived_before_it() -> None:
    clock, ends = Clock(), list[float]()
    flush = Flush(clock, 2.0)
    for time in (0.0, 0.5, 1.5, 3.0):
        clock.at(time, lambda: flush(lambda: ends.append(clock.now)))
    clock.run(100)
    assert ends == [2.0, 4.0, 4.0, 6.0]
    assert flush.flushes == 3


@pytest.mark.parametrize(("conflict", "last"), [(True, 12.0), (False, 3.0)])
def test_batches_with_a_common_row_take_turns(conflict: bool, last: float) -> None:
    clock, ends = Clock(), list[float]()
    locks = Locks(clock, lambda n, m: conflict)

    def held(release) -> None:  # type: ignore[no-untyped-def]
        def end() -> None:
            ends.append(clock.now)
            release()

        clock.at(clock.now + 3.0, end)

    for _ in range(4):
        locks.acquire(200, held)
    clock.run(100)
    assert ends[-1] == last
    assert locks.waiting.area == pytest.approx(last - 3.0)


def test_a_gauge_integrates_over_time() -> None:
    clock = Clock()
    gauge = Gauge(clock)
    gauge.add(2)
    clock.run(3.0)
    gauge.add(-1)
    clock.run(5.0)
    assert gauge.area == 8.0
