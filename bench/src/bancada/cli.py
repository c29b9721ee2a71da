"""The command behind `make bench`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bancada import rodadas
from bancada.cenarios import CENARIOS, Plano
from bancada.geradores import GeradorError
from bancada.loja import BancadaError
from local_system import LocalSystemError
from local_system.cli import termination_as_interruption

PADRAO = "e2e-uniforme-3,e2e-quente-3,estoque-uniforme-3,estoque-quente-3,repouso"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the rounds; 0 when all of them were measured and nothing was oversold or lost, else 1."""
    arguments = _parser().parse_args(argv)
    plano = Plano(arguments.seconds, arguments.connections, arguments.ready)
    try:
        cenarios = [CENARIOS[nome] for nome in arguments.scenarios.split(",")]
    except KeyError as unknown:
        print(f"error: there is no scenario {unknown}; there are {', '.join(CENARIOS)}", file=sys.stderr)
        return 1
    try:
        with termination_as_interruption():
            print(rodadas.correr(cenarios, plano, arguments.rounds, arguments.folder))
    except (BancadaError, GeradorError, LocalSystemError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started is stopped again", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bancada", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20, help="length of each measurement")
    parser.add_argument("--scenarios", default=PADRAO, help=f"names with commas between, of: {', '.join(CENARIOS)}")
    parser.add_argument("--connections", type=int, default=256, help="customers at saturation")
    parser.add_argument("--ready", type=int, default=200_000, help="orders that wait for estoque alone")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="for raw data and the system's state")
    return parser
