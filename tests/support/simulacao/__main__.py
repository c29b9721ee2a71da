"""`make simulate`: as many seeds as asked, from a random beginning unless one is named; or one seed again."""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from local_system import Config, Ports, System
from simulacao.campanha import correr, correr_lado_a_lado, preparar
from simulacao.mutantes import MUTANTES


def main() -> int:
    """Exit code 1 when a seed fails; its trail and its number are printed."""
    parser = argparse.ArgumentParser(prog="python -m simulacao", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--first", type=int, help="where to begin (anywhere)")
    parser.add_argument("--seed", type=int, help="run just this one")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument("--mutant", choices=sorted(MUTANTES), help="with this mistake in the code, one after another")
    arguments = parser.parse_args()
    sementes = _sementes(arguments)
    print(f"seeds {sementes.start} to {sementes.stop - 1}", flush=True)
    began = time.monotonic()
    parts = {"postgres-pedidos", "postgres-estoque"}
    with (
        tempfile.TemporaryDirectory() as state,
        System(Config(state=Path(state), ports=Ports.free(), parts=parts)) as system,
    ):
        if len(sementes) == 1 or arguments.mutant:
            resultado = correr(preparar(system, "1"), sementes, arguments.mutant)
        else:
            palcos = [preparar(system, str(n)) for n in range(os.cpu_count() or 1)]
            resultado = correr_lado_a_lado(palcos, sementes, (arguments.minutes or 0) * 60 or None)
    print(resultado.falha or "nothing was found", flush=True)
    print(", ".join(f"{que} {vezes}" for que, vezes in sorted(resultado.visto.items())))
    print(f"{resultado.sementes} seeds, {resultado.passos} steps, {time.monotonic() - began:.0f} s")
    return 1 if resultado.falha else 0


def _sementes(arguments: argparse.Namespace) -> range:
    if arguments.seed is not None:
        return range(arguments.seed, arguments.seed + 1)
    primeira = random.randrange(10**9) if arguments.first is None else arguments.first
    return range(primeira, primeira + arguments.seeds)


if __name__ == "__main__":
    sys.exit(main())
