"""The commands behind `make up`, `make down` and the others."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from local_system import first_order, programs, screen
from local_system.config import Config
from local_system.errors import LocalSystemError
from local_system.first_order import FirstOrder
from local_system.system import System

_DOCUMENTATION = """\
Settings, by environment: LOCAL_DIR (.local), GATEWAY_PORT (8080) and the other ports, GATEWAY_JWT=on,
GATEWAY_LIMITS=on, REPLICAS=pedidos=2,estoque=2,
RESERVA_TTL (30m) and the other settings of the programs. See local/README.md."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = parser().parse_args(argv)
    command: Callable[[System, argparse.Namespace], int] = arguments.run
    try:
        with termination_as_interruption():
            return command(System(Config.from_environ(), _print), arguments)
    except BrokenPipeError:  # nobody reads any more, as in `make up | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (LocalSystemError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stopped = "; everything that had been started was stopped again" if command is _up else ""
        print(f"interrupted{stopped}", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(prog="python -m local_system", epilog=_DOCUMENTATION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[System, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "start everything, apply the sample StockItems, place a first order")
    up.add_argument("--no-examples", action="store_true", help="only start")
    add("down", _down, "stop everything; the data stay")
    add("status", _status, "show each part; exit code 3 unless all run")
    logs = add("logs", _logs, "follow the logs of all parts or of some")
    logs.add_argument("parts", nargs="*", metavar="NAME")
    logs.add_argument("--no-follow", action="store_true", help="show the last lines only")
    dlq = add("dlq", _dlq, "show the dead letters, or act on them as `python -m reservaestoque.dlq` does")
    dlq.add_argument("words", nargs=argparse.REMAINDER, metavar="VERB ...", help="list, show, replay, discard")
    restart = add("restart", _restart, "stop a part, start it, wait until it is ready")
    restart.add_argument("part", metavar="NAME", help="as `status` shows it; `pedidos` means all replicas")
    conferir = add("conferir", _conferir, "prove on the running system that nothing was oversold or lost")
    conferir.add_argument("--at-rest", action="store_true", help="also require that nothing is in flight")
    token = add("token", _token, "print a token for a customer, for a system with GATEWAY_JWT=on")
    token.add_argument("customer", metavar="CLIENTE", help="the clienteId whose orders the token opens")
    token.add_argument("--scope", default="", help='more rights: "pedidos:admin estoque:ler"')
    token.add_argument("--valid", default="1h", type=_duration, help="its lifetime: 90s, 15m, 8h (1h)")
    add("clean", _clean, "stop everything and remove all data")
    return parser


def _up(system: System, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    ran = bool(system.states())
    system.up()
    try:
        first = FirstOrder() if arguments.no_examples else first_order.apply_and_place(system)
    except BaseException:
        if not ran:
            system.down()
        raise
    print(screen.after_start(system, first, time.monotonic() - began))
    return 0 if first.answer is None or first.answer.is_success else 1


def _down(system: System, _: argparse.Namespace) -> int:
    system.down()
    _print(f"everything is stopped; the data are in {system.layout.state}")
    return 0


def _status(system: System, _: argparse.Namespace) -> int:
    states = system.states()
    print(screen.status(system, states))
    return 0 if states and all(state.name == "RUNNING" for state in states.values()) else 3


def _logs(system: System, arguments: argparse.Namespace) -> int:
    names = [one for name in arguments.parts for one in system.names(name)] or system.names()
    files = [system.layout.log(name) for name in names]
    there = [str(file) for file in files if file.exists()]
    if not there:
        raise LocalSystemError(f"there are no logs in {system.layout.state / 'logs'} yet")
    follow = [] if arguments.no_follow else ["-F"]
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", "20", *follow, *there])  # noqa: S606


def _dlq(system: System, arguments: argparse.Namespace) -> int:
    _require_running(system)
    sys.stdout.flush()
    command = [sys.executable, "-m", "reservaestoque.dlq", *arguments.words]
    os.execve(sys.executable, command, {**os.environ, "AMQP_URL": system.amqp_url})  # noqa: S606


def _require_running(system: System) -> None:
    if not system.states():
        raise LocalSystemError(f"nothing runs in {system.layout.state}; start it with `make up`")


def _restart(system: System, arguments: argparse.Namespace) -> int:
    system.restart(arguments.part)
    return 0


def _conferir(system: System, arguments: argparse.Namespace) -> int:
    _require_running(system)
    argv = [sys.executable, "-m", "conferir", *(["--at-rest"] if arguments.at_rest else [])]
    env = {**os.environ, **programs.conferir_env(system.layout)}
    return subprocess.run(argv, env=env, check=False).returncode


def _token(system: System, arguments: argparse.Namespace) -> int:
    _print(system.layout.issuer().token(arguments.customer, arguments.scope, arguments.valid))
    return 0


def _duration(text: str) -> int:
    """Seconds. Raises ArgumentTypeError unless they are a positive number of at most nine digits."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a lifetime: write 90s, 15m or 8h")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _clean(system: System, _: argparse.Namespace) -> int:
    system.clean()
    _print(f"{system.layout.state} is removed")
    return 0


def _print(line: str) -> None:
    print(line, flush=True)


@contextmanager
def termination_as_interruption() -> Iterator[None]:
    """Makes SIGTERM, and SIGHUP unless `nohup` ignores it, stop us as Ctrl-C does; once stopping has begun, further
    signals do not interrupt it.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)

    def interrupt(number: int, _: object) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    before = {one: signal.signal(one, interrupt) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
