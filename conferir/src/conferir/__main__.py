"""``python -m conferir``: exit code 0 when all is well, 1 when something is wrong, 2 when it could not find out."""

import argparse
import sys
import time
from collections.abc import Sequence

from conferir.app import sempre, uma_vez
from conferir.prova import TRIES, Resultado
from conferir.settings import ConferirSettings
from reservaestoque import runtime
from reservaestoque.postgres import is_transient
from reservaestoque.settings import load
from reservaestoque.telemetry import configure_logs

_NOMES = {"skus": "SKUs", "reservas": "orders with their lines", "pedidos": "orders in both", "comandos": "commands"}


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the settings and checks; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        settings = load(ConferirSettings)
    except SystemExit as wrong:
        return _could_not(str(wrong.code))
    if arguments.continuous:
        configure_logs("conferir", settings.log_level)
        runtime.run(sempre(settings))
        return 0
    configure_logs("conferir", "ERROR")
    return _once(settings, em_repouso=arguments.at_rest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conferir", description=__doc__)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--at-rest", action="store_true", help="nothing may be under way: no undecided order, no outbox")
    how.add_argument("--continuous", action="store_true", help="go on for ever in small steps; metrics on /metrics")
    return parser


def _once(settings: ConferirSettings, *, em_repouso: bool) -> int:
    began = time.monotonic()
    try:
        resultado = runtime.run(
            uma_vez(settings, lambda violacao: print(violacao, flush=True), _started_again, em_repouso=em_repouso)
        )
    except Exception as fault:
        if not (is_transient(fault) or isinstance(fault, TimeoutError)):
            raise
        return _could_not(f"a database cannot be read: {fault or type(fault).__name__}")
    if not resultado.completo:
        _could_not(f"it had to give way {TRIES} times to somebody who waits for its locks, such as a migration")
        return resultado.codigo
    print(_resumo(resultado, time.monotonic() - began))
    return resultado.codigo


def _started_again(number: int) -> None:
    why = "somebody, such as a migration, waits for a lock of its snapshots"
    print(f"{why}: starting again, try {number} of {TRIES}", file=sys.stderr, flush=True)


def _could_not(why: str) -> int:
    print(f"could not check: {why}", file=sys.stderr)
    return 2


def _resumo(resultado: Resultado, segundos: float) -> str:
    vistos = ", ".join(f"{n} {_NOMES[o_que]}" for o_que, n in resultado.vistos.items())
    fim = f"{resultado.violacoes or 'no'} violation{'' if resultado.violacoes == 1 else 's'}"
    incertos = f", {resultado.incertos} that may be some" if resultado.incertos else ""
    return f"looked at {vistos} in {segundos:.1f} s: {fim}{incertos}"


if __name__ == "__main__":
    sys.exit(main())
