"""Attribution of CPU time."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from bench.cpu import OTHERS, Sample, Usage, memory, process_name, spent, take_sample


@pytest.mark.parametrize(
    ("part", "command", "name"),
    [
        ("pedidos-1", "python -m pedidos", "pedidos-1"),
        ("postgres-estoque", "/usr/bin/postgres -D data -p 1", "postgres-estoque"),
        ("postgres-estoque", "postgres: estoque estoque 127.0.0.1(40388) idle", "postgres-estoque: estoque"),
        ("postgres-estoque", "postgres: checkpointer ", "postgres-estoque: checkpointer"),
    ],
)
def test_postgres_processes_are_named_by_role_or_task(part: str, command: str, name: str) -> None:
    assert process_name(part, command) == name


def test_cpu_is_summed_by_name_and_the_rest_is_others() -> None:
    before = Sample({1: Usage("wrk", 1.0), 2: Usage("estoque-1", 5.0)}, busy=100.0)
    new, idle = Usage("estoque-1", 1.0), Usage("idle", 0.0)
    after = Sample({1: Usage("wrk", 1.5), 2: Usage("estoque-1", 7.0), 3: new, 4: idle}, busy=110.0)
    assert spent(before, after) == {OTHERS: 6.5, "estoque-1": 3.0, "wrk": 0.5}


def test_memory_is_summed_except_for_postgres() -> None:
    mib = 2**20
    usages = [
        Usage("gateway", 0, 10 * mib),
        Usage("rabbitmq", 0, mib),
        Usage("rabbitmq", 0, 2 * mib),
        Usage("postgres-x: a", 0, mib),
    ]
    assert memory(Sample(dict(enumerate(usages)), busy=0)) == {"gateway": 10.0, "rabbitmq": 3.0}


def test_a_child_is_counted_and_a_process_that_has_ended_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        own = {"test": os.getpid()}
        before = take_sample({}, own)
        deadline = time.monotonic() + 60
        while sum(psutil.Process(child.pid).cpu_times()[:2]) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        after = take_sample({}, own)
        child.kill()
    assert child.pid in after.processes
    assert spent(before, after)["test"] > 0.1
    assert not take_sample({}, {"ended": child.pid}).processes


def test_the_time_and_memory_of_this_process_are_measured() -> None:
    before = take_sample({}, {"test": os.getpid()})
    total = sum(n * n for n in range(1_000_000))
    after = take_sample({}, {"test": os.getpid()})
    assert total
    assert spent(before, after)["test"] > 0
    assert memory(after)["test"] > 1
