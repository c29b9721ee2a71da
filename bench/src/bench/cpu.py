"""CPU time by process between two samples: user plus system time."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """The name a process is counted under, its CPU seconds so far, and its resident bytes."""

    name: str
    seconds: float
    bytes: int = 0


@dataclass(frozen=True)
class Sample:
    """Processes by pid, and busy CPU seconds of the whole machine."""

    processes: Mapping[int, Usage]
    busy: float


OTHERS = "others on this machine"


def take_sample(parts: Mapping[str, int], own: Mapping[str, int]) -> Sample:
    """Samples these processes and their descendants. `parts`: pids of the system's parts; `own`: the bench's pids.

    Reads the table of processes once, because samples are taken under load and must not disturb it.
    """
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process)
    processes: dict[int, Usage] = {}
    for part, root in {**parts, **own}.items():
        for process in _family(root, children):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    name = process_name(part, " ".join(process.cmdline()))
                    processes[process.pid] = Usage(name, times.user + times.system, process.memory_info().rss)
            except psutil.Error:
                continue
    return Sample(processes, busy_seconds())


def busy_seconds() -> float:
    """CPU seconds that the whole machine has been busy."""
    machine = psutil.cpu_times()
    return float(sum(machine) - machine.idle - getattr(machine, "iowait", 0.0))


def _family(pid: int, children: Mapping[int, Sequence[psutil.Process]]) -> Iterator[psutil.Process]:
    """The process and its descendants, each once."""
    with contextlib.suppress(psutil.NoSuchProcess):
        waiting, seen = [psutil.Process(pid)], set[int]()
        while waiting:
            process = waiting.pop()
            if process.pid not in seen:
                seen.add(process.pid)
                waiting += children.get(process.pid, ())
                yield process


def process_name(part: str, command: str) -> str:
    """The name to count a process under; PostgreSQL's by title: a role's connections, the checkpointer, …"""
    if not part.startswith("postgres-"):
        return part
    title = re.match(r"postgres: (.+)", command)
    if title is None:
        return part
    connection = re.match(r"(\w+) \w+ [\d.]+\(\d+\)", title[1])
    return f"{part}: {connection[1] if connection else title[1].strip()}"


def spent(before: Sample, after: Sample) -> dict[str, float]:
    """CPU seconds by name between two samples, largest first.

    OTHERS is the rest of the machine, including processes of the system that ended in between.
    """
    totals: dict[str, float] = {}
    for pid, usage in after.processes.items():
        already = before.processes[pid].seconds if pid in before.processes else 0.0
        totals[usage.name] = totals.get(usage.name, 0.0) + usage.seconds - already
    totals[OTHERS] = max(0.0, after.busy - before.busy - sum(totals.values()))
    return {name: seconds for name, seconds in sorted(totals.items(), key=lambda pair: -pair[1]) if seconds}


def memory(sample: Sample) -> dict[str, float]:
    """Resident MiB by name, without PostgreSQL, whose processes share most of their memory."""
    totals: dict[str, float] = {}
    for usage in sample.processes.values():
        if not usage.name.startswith("postgres-"):
            totals[usage.name] = totals.get(usage.name, 0.0) + usage.bytes / 2**20
    return totals
