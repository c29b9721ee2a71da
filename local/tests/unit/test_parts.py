import threading
import time

import pytest

from local_system.errors import LocalSystemError
from local_system.parts import Part, select, stages
from local_system.starting import in_order


def part(name: str, *needs: str) -> Part:
    return Part(name=name, command=lambda: [name], ready=lambda: None, needs=needs)


TABLE = [
    part("db"),
    part("bus"),
    part("web-1", "db", "bus"),
    part("web-2", "db", "bus"),
    part("gate", "web-1", "web-2"),
]


def names(parts: list[Part]) -> list[str]:
    return [part.name for part in parts]


def test_parts_come_with_what_they_need_and_after_it() -> None:
    assert names(select(TABLE, {"web-2"})) == ["db", "bus", "web-2"]
    assert names(select(TABLE, {"web"})) == ["db", "bus", "web-1", "web-2"]
    assert names(select(TABLE, None)) == names(TABLE)


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(LocalSystemError, match="there is no part 'webs'; the parts are: db, bus, web-1"):
        select(TABLE, {"webs"})


def test_stages_put_nothing_beside_what_it_needs() -> None:
    assert stages(TABLE) == [["db", "bus"], ["web-1", "web-2"], ["gate"]]
    assert stages(select(TABLE, {"db"})) == [["db"]]


def test_independent_parts_start_side_by_side_and_each_after_its_needs() -> None:
    both = threading.Barrier(2, timeout=5)
    started: list[str] = []

    def start(part: Part) -> None:
        if not part.needs:
            both.wait()  # passes only when db and bus are being started at the same time
        assert set(part.needs) <= set(started)
        started.append(part.name)

    in_order(TABLE, start, threading.Event())
    assert sorted(started) == sorted(names(TABLE))


def test_the_first_failure_stops_the_others_and_is_raised() -> None:
    cancelled = threading.Event()
    started: list[str] = []

    def start(part: Part) -> None:
        started.append(part.name)
        if part.name == "db":
            raise LocalSystemError("db fails")
        assert cancelled.wait(5)

    with pytest.raises(LocalSystemError, match="db fails"):
        in_order(TABLE, start, cancelled)
    assert sorted(started) == ["bus", "db"]


def test_a_part_does_not_wait_for_a_slow_one_that_it_does_not_need() -> None:
    began: dict[str, float] = {}

    def start(part: Part) -> None:
        began[part.name] = time.monotonic()
        time.sleep(0.5 if part.name == "slow" else 0)

    in_order([part("slow"), part("a"), part("b", "a")], start, threading.Event())
    assert began["b"] - began["slow"] < 0.4
