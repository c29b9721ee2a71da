"""``python -m conferir``: exits with 0 when every rule holds, 1 on violations, 2 when it could not check."""

import argparse
import sys
import time
from collections.abc import Sequence

from conferir.app import continuously, once
from conferir.full_audit import TRIES, Result
from conferir.settings import ConferirSettings
from reservaestoque import runtime
from reservaestoque.postgres import is_transient
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs

_SCAN_LABELS = {
    "skus": "SKUs",
    "reservas": "orders with their lines",
    "pedidos": "orders in both databases",
    "commands": "commands",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Loads the settings and runs the audit. Returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        settings = load(ConferirSettings)
    except SystemExit as error:
        return _report_failure(str(error.code))
    if arguments.continuous:
        configure_logs("conferir", settings.log_level)
        runtime.run(continuously(settings))
        return 0
    configure_logs("conferir", "ERROR")
    return _once(settings, at_rest=arguments.at_rest)


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(prog="python -m conferir", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--at-rest", action="store_true", help="also require that nothing is in flight")
    mode.add_argument("--continuous", action="store_true", help="run forever in small steps; metrics on /metrics")
    return parser


def _once(settings: ConferirSettings, *, at_rest: bool) -> int:
    began = time.monotonic()
    try:
        result = runtime.run(
            once(settings, lambda violation: print(violation, flush=True), _announce_restart, at_rest=at_rest)
        )
    except Exception as fault:
        if not (is_transient(fault) or isinstance(fault, TimeoutError)):
            raise
        return _report_failure(f"cannot read a database: {fault or type(fault).__name__}")
    if not result.complete:
        _report_failure(f"it gave way {TRIES} times to a session waiting for its locks, such as a migration")
        return result.exit_code
    print(_summary(result, time.monotonic() - began))
    return result.exit_code


def _announce_restart(number: int) -> None:
    why = "a session waits for a lock held by the snapshots, probably a migration"
    print(f"{why}: restarting, try {number} of {TRIES}", file=sys.stderr, flush=True)


def _report_failure(why: str) -> int:
    print(f"could not check: {why}", file=sys.stderr)
    return 2


def _summary(result: Result, seconds: float) -> str:
    seen = ", ".join(f"{n} {_SCAN_LABELS[name]}" for name, n in result.seen.items())
    end = f"{result.violations or 'no'} violation{'' if result.violations == 1 else 's'}"
    uncertain = f", {result.uncertain} possible ones still unsettled" if result.uncertain else ""
    return f"checked {seen} in {seconds:.1f} s: {end}{uncertain}"
