"""`status`, `cartas`, `conferir`: the state of the system from the panel, or of the parts that can be reached."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import click
from rich.text import Text

from reserva.cli import screen
from reserva.cli.commands import Command
from reserva.cli.exit_codes import ExitCode, of_error
from reserva.cli.language import Texts
from reserva.cli.output import Output
from reserva.cli.settings import settings_of
from reserva.errors import ReservaError, UnauthenticatedError, UnreachableError
from reserva.operations import pedidos, saldos
from reserva.sync import Reserva
from reserva.system_state import Part, Replica, SystemState

_DLQ = "reservaestoque.dlq"


def commands(text: Texts) -> list[click.Command]:
    """The commands about the system."""
    words = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, metavar="[VERBO]...")
    return [
        Command(text, "status", click.pass_context(_status), []),
        Command(
            text,
            "cartas",
            click.pass_context(_dead_letters),
            [words],
            ignore_unknown_options=True,
        ),
        Command(text, "conferir", click.pass_context(_audit), []),
    ]


def _status(context: click.Context) -> int:
    settings = settings_of(context)
    output = Output(settings)
    with settings.client() as client:
        try:
            state = client.system()
        except (UnreachableError, UnauthenticatedError):
            raise
        except ReservaError as error:
            output.remark(output.text("system.no_panel", url=client.url, why=_reason(error)))
            state = _probe_services(client)
    output.show(state, screen.system(output.text, state))
    ups = [replica.up for part in state.parts for replica in part.replicas]
    if not all(up is not False for up in ups):
        return ExitCode.CHECK_FAILED
    return ExitCode.OK if ups else ExitCode.UNKNOWN


def _probe_services(client: Reserva) -> SystemState:
    """Sends each service one request: any answer of its own shows that it is up."""
    probes: dict[str, Callable[[], object]] = {
        "pedidos": lambda: client.run(pedidos(limit=1)),
        "estoque": lambda: client.run(saldos(limit=1)),
    }
    return SystemState(parts=tuple(Part(name, (Replica(name, _is_up(probe)),)) for name, probe in probes.items()))


def _is_up(probe: Callable[[], object]) -> bool | None:
    try:
        probe()
    except ReservaError as error:
        return False if of_error(error) in (ExitCode.UNREACHABLE, ExitCode.SERVER_ERROR) else None
    return True


def _reason(error: ReservaError) -> str:
    """The reason why the panel gives no answer, as a clause."""
    return str(error).removesuffix(".")


def _dead_letters(context: click.Context, words: tuple[str, ...]) -> int:
    settings = settings_of(context)
    if settings.environ.get("AMQP_URL") and find_spec("reservaestoque") is not None:
        sys.stdout.flush()
        argv = [sys.executable, "-m", _DLQ, *words]
        return subprocess.run(argv, env=dict(os.environ), check=False).returncode  # noqa: S603 - its own program
    if words and words != ("list",):
        raise click.UsageError(settings.text("letters.need_amqp", verb=words[0]))
    output = Output(settings)
    with settings.client() as client:
        return _show_dead_letters(client, output)


def _show_dead_letters(client: Reserva, output: Output) -> int:
    text = output.text
    try:
        letters, why = client.system().dead_letters, text("system.unknown")
    except (UnreachableError, UnauthenticatedError):
        raise
    except ReservaError as error:
        letters, why = None, _reason(error)
    if letters is None:
        output.remark(text("letters.unknown", why=why))
        return ExitCode.UNKNOWN
    table = screen.table(text("column.queue"), text("column.letters"), right=(1,))
    for queue, count in letters.items():
        table.add_row(queue, screen.number(text, count, good=count == 0, bad=bool(count)))
    output.show(letters, table)
    return ExitCode.OK


def _audit(context: click.Context) -> int:
    settings = settings_of(context)
    output, text = Output(settings), settings.text
    with settings.client() as client:
        try:
            audit, why = client.system().audit, text("audit.no_numbers")
        except (UnreachableError, UnauthenticatedError):
            raise
        except ReservaError as error:
            audit, why = None, _reason(error)
    if audit is None or audit.violations is None:
        output.remark(text("audit.unknown", why=why))
        return ExitCode.UNKNOWN
    last = screen.local_time(audit.last) if audit.last else "?"
    key, style = ("audit.bad", "bold red") if audit.violations else ("audit.good", "bold green")
    output.show(audit, Text(text(key, violations=audit.violations, last=last), style))
    return ExitCode.CHECK_FAILED if audit.violations else ExitCode.OK
