"""The command behind `make bench`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bancada import crescimento, instrucoes, perfil, rodadas
from bancada.cenarios import CENARIOS, GRUPOS, escolher
from bancada.gerador import GeradorError
from bancada.loja import BancadaError
from bancada.plano import Plano
from local_system import LocalSystemError
from local_system.cli import termination_as_interruption


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when all was measured and nothing was oversold or lost, else 1."""
    arguments = parser().parse_args(argv)
    command: Callable[[argparse.Namespace], str] = arguments.run
    try:
        with termination_as_interruption():
            print(command(arguments))
    except (BancadaError, GeradorError, LocalSystemError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started is stopped again", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(prog="python -m bancada", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], str], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--folder", type=Path, default=Path(".bench"), help="raw data and the system's state")
        return command

    def add_effort(command: argparse.ArgumentParser) -> None:
        command.add_argument("--seconds", type=int, default=20, help="length of each measurement")
        command.add_argument("--connections", type=int, default=768, help="customers at saturation")
        command.add_argument("--ready", type=int, default=200_000, help="orders that wait for estoque alone")
        command.add_argument("--lapsing", type=int, default=1_000_000, help="reservations that lapse at once")

    medir = add("medir", _medir, "measure scenarios in interleaved rounds, print one table")
    add_effort(medir)
    medir.add_argument(
        "--others",
        type=float,
        default=float("inf"),
        metavar="CORES",
        help="measure again, at most four times, what others on this machine took more of than this, as 0.3",
    )
    medir.add_argument("--rounds", type=int, default=5)
    nomes = f"with commas between, of: {', '.join([*GRUPOS, *CENARIOS])}"
    medir.add_argument("--scenarios", default="padrao", help=nomes)
    perfil = add("perfil", _perfil, "say which process the CPU time goes to in each scenario")
    add_effort(perfil)
    perfil.add_argument("--scenarios", default="e2e-uniforme-3", help=nomes)
    perfil.add_argument("--flames", action="store_true", help="draw flame graphs of pedidos and estoque as well")
    crescer = add("crescer", _crescer, "fill the databases that the scenario `crescido` uses with past orders")
    crescer.add_argument("--pedidos", type=int, default=10_000_000, help="orders that have ended")
    crescer.add_argument("--skus", type=int, default=1_000_000)
    return whole


def _medir(arguments: argparse.Namespace) -> str:
    plano = replace(_plano(arguments), outros=arguments.others)
    return rodadas.correr(escolher(arguments.scenarios), plano, arguments.rounds, arguments.folder)


def _perfil(arguments: argparse.Namespace) -> str:
    cenarios, plano = escolher(arguments.scenarios), _plano(arguments)
    with rodadas.loja_nova(arguments.folder) as (loja, dados):
        instrucoes.contar(loja)
        return "\n\n".join(perfil.perfilar(loja, um, plano, dados, chamas=arguments.flames) for um in cenarios)


def _crescer(arguments: argparse.Namespace) -> str:
    plano = Plano(passados=arguments.pedidos, skus=arguments.skus)
    return crescimento.crescer(arguments.folder.absolute(), plano, lambda line: print(line, flush=True))


def _plano(arguments: argparse.Namespace) -> Plano:
    return Plano(arguments.seconds, arguments.connections, arguments.ready, arguments.lapsing)
