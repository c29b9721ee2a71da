"""`make simulate`: the requested number of seeds, from a random or given start; or a single seed again."""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from local_system import Config, Ports, System
from simulator.campaign import prepare, run, run_side_by_side
from simulator.mutants import MUTANTS


def main() -> int:
    """Exit code 1 when a seed fails; its trail and its number are printed."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--first", type=int, help="where to begin (anywhere)")
    parser.add_argument("--seed", type=int, help="run just this one")
    parser.add_argument("--minutes", type=float, help="stop after this many minutes")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="with this mistake in the code, one after another")
    arguments = parser.parse_args()
    seeds = _seeds(arguments)
    print(f"seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    began = time.monotonic()
    parts = {"postgres-pedidos", "postgres-estoque"}
    with (
        tempfile.TemporaryDirectory() as state,
        System(Config(state=Path(state), ports=Ports.free(), parts=parts)) as system,
    ):
        if len(seeds) == 1 or arguments.mutant:
            result = run(prepare(system, "1"), seeds, arguments.mutant)
        else:
            stages = [prepare(system, str(n)) for n in range(os.cpu_count() or 1)]
            result = run_side_by_side(stages, seeds, (arguments.minutes or 0) * 60 or None)
    print(result.fault or "nothing was found", flush=True)
    print(", ".join(f"{what} {times}" for what, times in sorted(result.seen.items())))
    print(f"{result.seeds} seeds, {result.steps} steps, {time.monotonic() - began:.0f} s")
    return 1 if result.fault else 0


def _seeds(arguments: argparse.Namespace) -> range:
    if arguments.seed is not None:
        return range(arguments.seed, arguments.seed + 1)
    first = random.randrange(10**9) if arguments.first is None else arguments.first
    return range(first, first + arguments.seeds)


if __name__ == "__main__":
    sys.exit(main())
