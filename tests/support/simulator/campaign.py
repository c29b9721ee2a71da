"""Many seeds: scratch databases, several processes, a report."""

import itertools
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from database_copies import by_socket, create_migrated

from local_system import System
from reservaestoque import runtime
from simulator.mutants import MUTANTS
from simulator.seed import DATABASES, MONITOR, SeedFailedError, Stage, run_seed

_CHUNK = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """The outcome of some seeds: the number of seeds and steps, the observations, and the first failure."""

    seeds: int = 0
    steps: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    fault: str | None = None
    failing_seed: int | None = None

    def __add__(self, other: "Result") -> "Result":
        first = self if self.fault else other
        return Result(
            self.seeds + other.seeds,
            self.steps + other.steps,
            self.seen + other.seen,
            first.fault,
            first.failing_seed,
        )


def prepare(system: System, name: str) -> dict[str, str]:
    """Creates scratch databases of this name on the servers of `system`, migrated; returns their addresses."""
    return {
        service: by_socket(system, create_migrated(system, service, f"simulation_{service}_{name}"))
        for service in DATABASES
    }


def run(urls: dict[str, str], seeds: Iterable[int], mutant: str | None = None) -> Result:
    """Runs these seeds one after another, up to the first that fails."""
    # The services warn about every fault, and here faults are intended.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return runtime.run(_run(urls, seeds, mutant))
    finally:
        structlog.reset_defaults()


async def _run(urls: dict[str, str], seeds: Iterable[int], mutant: str | None) -> Result:
    finished = steps = 0
    seen: Counter[str] = Counter()
    stage, workshop = Stage(urls), Stage(urls)
    await workshop.prepare()
    changed = MUTANTS[mutant].applied(await workshop.connection(MONITOR, "estoque")) if mutant else nullcontext()
    try:
        async with changed:
            for seed in seeds:
                finished += 1
                world = await run_seed(stage, seed)
                steps += world.steps
                seen += world.seen
    except SeedFailedError as fault:
        return Result(finished, steps, seen, str(fault), fault.seed)
    finally:
        stage.close()
        workshop.close()
    return Result(finished, steps, seen)


def search(urls: dict[str, str], seeds: Iterable[int], mutant: str) -> tuple[str, Result]:
    """Runs these seeds with this mutant, beginning with the mutant's own; returns its name and the result."""
    return mutant, run(urls, itertools.chain([MUTANTS[mutant].seed], seeds), mutant)


def side_by_side(stages: list[dict[str, str]], tasks: Iterable[Callable[[dict[str, str]], T]]) -> Iterator[T]:
    """The results of the tasks as they complete, each on its own stage, in as many processes as there are stages.

    The next task is requested once the previous result has been taken.
    """
    remaining = iter(tasks)
    with ProcessPoolExecutor(len(stages), multiprocessing.get_context("spawn")) as processes:
        running = {processes.submit(task, stage): stage for stage, task in zip(stages, remaining, strict=False)}
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                stage = running.pop(done)
                yield done.result()
                if task := next(remaining, None):
                    running[processes.submit(task, stage)] = stage


def run_side_by_side(stages: list[dict[str, str]], seeds: Iterable[int], seconds: float | None = None) -> Result:
    """Runs seeds in as many processes as there are stages, up to the first failure or until the time is over."""
    end = time.monotonic() + seconds if seconds else None
    total = Result()

    def tasks() -> Iterator[Callable[[dict[str, str]], Result]]:
        for chunk in _chunks(seeds):
            if total.fault or (end is not None and time.monotonic() >= end):
                return
            yield partial(run, seeds=chunk)

    for result in side_by_side(stages, tasks()):
        total += result
    return total


def _chunks(seeds: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(seeds)
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        yield chunk
