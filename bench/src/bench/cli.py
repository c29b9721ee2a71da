"""The command behind `make bench`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import abuse, growth, model_cli, profiling, rounds, statements, tracing
from bench.load_generator import GeneratorError
from bench.plan import Plan
from bench.scenarios import GROUPS, SCENARIOS, choose
from bench.shop import BenchError
from local_system import LocalSystemError
from local_system.cli import termination_as_interruption


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 when everything was measured and audited, else 1."""
    arguments = parser().parse_args(argv)
    command: Callable[[argparse.Namespace], str] = arguments.run
    try:
        with termination_as_interruption():
            print(command(arguments))
    except (BenchError, GeneratorError, LocalSystemError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    whole = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], str], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--folder", type=Path, default=Path(".bench"), help="for raw data and the system's state"
        )
        return command

    measure = add("measure", _measure, "measure scenarios in interleaved rounds, print one table")
    _add_effort(measure)
    measure.add_argument(
        "--others",
        type=float,
        default=float("inf"),
        metavar="CORES",
        help="repeat a measurement, up to four times, when other processes used more CPU than this, e.g. 0.3",
    )
    measure.add_argument("--rounds", type=int, default=5)
    names = f"comma-separated, from: {', '.join([*GROUPS, *SCENARIOS])}"
    measure.add_argument("--scenarios", default="standard", help=names)
    profiling = add("profile", _profile, "show CPU time by process for each scenario")
    _add_effort(profiling)
    profiling.add_argument("--scenarios", default="e2e-uniform-3", help=names)
    profiling.add_argument("--flames", action="store_true", help="also draw flame graphs of pedidos and estoque")
    grow = add("grow", _grow, "create the databases of the `grown` scenarios")
    grow.add_argument("--orders", type=int, default=10_000_000, help="past orders")
    grow.add_argument("--skus", type=int, default=1_000_000)
    _add_tracing(add("tracing", _tracing, "compare saturation with traces off and on"))
    attacked = add("abuse", _abuse, "attack the gateway of a local system; show what customers notice")
    attacked.add_argument("--seconds", type=float, default=10, help="length of each attack")
    attacked.add_argument("--attacks", default=",".join(abuse.NAMES), help="comma-separated")
    model_cli.add_commands(add)
    return whole


def _add_tracing(command: argparse.ArgumentParser) -> None:
    _add_effort(command)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--percents", default="1,100", help="shares of the orders that are sampled, comma-separated")


def _add_effort(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seconds", type=int, default=20, help="length of each measurement")
    command.add_argument("--connections", type=int, default=768, help="customers at saturation")
    command.add_argument("--ready", type=int, default=200_000, help="orders queued for estoque alone")
    command.add_argument("--lapsing", type=int, default=1_000_000, help="reservations that lapse at once")
    command.add_argument("--stock-items", type=int, default=10_000, help="StockItems per phase of `convergence`")


def _measure(arguments: argparse.Namespace) -> str:
    plan = replace(_plan(arguments), others=arguments.others)
    return rounds.run(choose(arguments.scenarios), plan, arguments.rounds, arguments.folder)


def _profile(arguments: argparse.Namespace) -> str:
    scenarios, plan = choose(arguments.scenarios), _plan(arguments)
    with rounds.new_shop(arguments.folder) as (shop, data):
        statements.enable(shop)
        return "\n\n".join(profiling.profile(shop, one, plan, data, flames=arguments.flames) for one in scenarios)


def _abuse(arguments: argparse.Namespace) -> str:
    return abuse.run(arguments.folder.absolute(), arguments.seconds, arguments.attacks.split(","))


def _tracing(arguments: argparse.Namespace) -> str:
    percents = [float(percent) for percent in arguments.percents.split(",")]
    return tracing.run(arguments.folder.absolute(), _plan(arguments), arguments.rounds, percents)


def _grow(arguments: argparse.Namespace) -> str:
    plan = Plan(past_orders=arguments.orders, skus=arguments.skus)
    return growth.grow(arguments.folder.absolute(), plan, lambda line: print(line, flush=True))


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        seconds=arguments.seconds,
        connections=arguments.connections,
        ready=arguments.ready,
        reservas=arguments.lapsing,
        stock_items=arguments.stock_items,
    )
