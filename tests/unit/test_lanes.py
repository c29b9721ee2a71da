from pathlib import Path
from types import SimpleNamespace

import lanes
import pytest
from lanes import FIRST, WAITING, Lanes

from local_system import Config, Ports, System
from local_system.ports import FREE
from local_system.processes import leftovers


class Worker:
    """An xdist worker: starts a test only once it knows which test follows, or that it is the last one."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def may_start(self) -> bool:
        return bool(self.given) and (len(self.given) > 1 or self.shutting_down)


class Session:
    """Drives the scheduler as xdist does; its workers take turns, one test each."""

    def __init__(self, tests: list[str], workers: int) -> None:
        self.tests = tests
        self.lanes = Lanes(SimpleNamespace(getvalue=lambda _: [f"{workers}*popen"], option=SimpleNamespace()))
        self.workers = [Worker(f"gw{n}") for n in range(workers)]
        self.ran: list[tuple[str, str]] = []
        self.begin(*self.workers)

    def begin(self, *workers: Worker) -> None:
        for worker in workers:
            self.lanes.add_node(worker)
        for worker in workers:
            self.lanes.add_node_collection(worker, self.tests)
        self.lanes.schedule()

    def turn(self, worker: Worker, dies_in: str) -> None:
        if worker.may_start:
            index = worker.given.pop(0)
            self.ran.append((worker.gateway.id, self.tests[index]))
            if self.tests[index] == dies_in:
                self.end(worker, dies_in)
                self.workers.append(Worker("gw9"))
                self.begin(self.workers[-1])
            else:
                self.lanes.mark_test_complete(worker, index)
        elif worker.shutting_down:
            self.end(worker, None)
        if self.lanes.tests_finished:
            for one in self.workers:
                one.shutdown()

    def end(self, worker: Worker, died_in: str | None) -> None:
        self.workers.remove(worker)
        assert self.lanes.remove_node(worker) == died_in


def run(tests: list[str], workers: int = 2, dies_in: str = "") -> list[tuple[str, str]]:
    """Each test with its worker."""
    session = Session(tests, workers)
    while session.workers:
        assert any(worker.may_start or worker.shutting_down for worker in session.workers), session.ran
        for worker in list(session.workers):
            session.turn(worker, dies_in)
    return session.ran


def of(unit: str, count: int) -> list[str]:
    return [f"{unit}test_x.py::test_{n}" if unit.endswith("/") else f"{unit}::test_{n}" for n in range(count)]


def test_every_test_runs_once_whatever_the_mix_of_units():
    for tests in (
        of("lib/tests/test_a.py", 1),
        of("lib/tests/test_a.py", 5),
        [
            *of("lib/tests/test_a.py", 1),
            *of(FIRST[0], 4),
            *of(WAITING[0], 2),
            *of("lib/test_b.py", 3),
        ],
    ):
        for workers in (1, 2, 3):
            assert sorted(test for _, test in run(tests, workers)) == sorted(tests)


def test_tests_of_a_unit_stay_on_one_worker():
    tests = [*of("a/test_a.py", 4), *of(FIRST[0], 4), *of(f"{FIRST[0]}deeper/", 4)]
    for unit in ("a/test_a.py", FIRST[0]):
        assert len({worker for worker, test in run(tests, 3) if test.startswith(unit)}) == 1


def test_a_file_that_is_listed_itself_does_not_stay_with_its_folder():
    folder = next(unit for unit in FIRST if any(other != unit and other.startswith(unit) for other in FIRST))
    file = next(unit for unit in FIRST if unit != folder and unit.startswith(folder))
    ran = run([*of(folder, 9), *of(file, 9)])
    assert {test.startswith(file) for worker, test in ran if worker == "gw1"} == {True}


def test_the_slowest_units_start_first():
    ran = run([*of("a/test_a.py", 3), *of(FIRST[1], 3), *of(FIRST[0], 3)])
    assert [test for _, test in ran[:2]] == [of(FIRST[0], 3)[0], of(FIRST[1], 3)[0]]


def test_one_worker_begins_with_the_units_that_mostly_wait():
    ran = run([*of("a/test_a.py", 9), *of(WAITING[0], 3), *of(FIRST[0], 9), *of(WAITING[1], 3)], 3)
    workers = {test: worker for worker, test in ran}
    assert {workers[test] for unit in WAITING[:2] for test in of(unit, 3)} == {"gw2"}
    assert [test for worker, test in ran if worker == "gw2"] == [*of(WAITING[0], 3), *of(WAITING[1], 3)]


def test_a_worker_without_other_units_takes_one_that_waits():
    ran = run([*of("a/test_a.py", 2), *of(WAITING[0], 9), *of(WAITING[1], 9)])
    assert {worker for worker, test in ran if test.startswith(WAITING[:2])} == {"gw0", "gw1"}


@pytest.mark.parametrize("dies_in", ["a/test_a.py::test_1", "a/test_b.py::test_1"])
def test_when_a_worker_dies_its_test_is_not_repeated_and_all_others_run(dies_in: str):
    tests = [*of("a/test_a.py", 5), *of("a/test_b.py", 2)]
    assert sorted(test for _, test in run(tests, 2, dies_in)) == sorted(tests)


def test_no_two_workers_take_the_same_ports():
    taken = []
    for number in range(3):
        environ = {"PYTEST_XDIST_WORKER": f"gw{number}", "PYTEST_XDIST_WORKER_COUNT": "3"}
        lanes.take_ports(environ)
        first, last = map(int, environ["FREE_PORTS"].split("-"))
        taken += range(first, last + 1)
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(FREE)
    environ = {}
    lanes.take_ports(environ)
    assert environ == {}, "without workers all of them are free"


@pytest.mark.integration
def test_only_systems_of_killed_workers_are_ended(tmp_path: Path):
    mine, other = tmp_path / "popen-gw0" / "state", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    with (
        System(Config(state=other, ports=Ports.free(), parts={"etcd"})) as system,
        System(Config(state=mine, ports=Ports.free(), parts={"etcd"})),
    ):
        ended = lanes.end_systems(tmp_path / "popen-gw0")
        assert any(name.startswith("etcd") for name in ended), ended
        assert leftovers(mine) == []
        assert system.states()["etcd"].name == "RUNNING"


@pytest.mark.parametrize("unit", [*FIRST, *WAITING])
def test_every_listed_unit_exists(unit: str):
    path = Path(__file__).parents[2] / unit
    assert path.is_dir() if unit.endswith("/") else path.is_file()
