"""The program: its commands, and the messages and exit codes of errors."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import click

from reserva.cli import completion, exit_codes, language, orders, stock, system
from reserva.cli.commands import Group, OutputClosedError, usage_message
from reserva.cli.exit_codes import ExitCode
from reserva.cli.language import Texts
from reserva.cli.output import report_error
from reserva.cli.settings import new_settings
from reserva.cli.terminal import prepare_streams
from reserva.errors import PositionLostError, ReservaError, UnauthenticatedError, UnreachableError


def build(text: Texts) -> Group:
    """The program in one language."""
    commands = [*orders.commands(text), stock.command(text), *system.commands(text), completion.command(text)]
    shown = click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_show_version,
        help=text("help.version"),
    )
    return Group(text, [shown], commands)


def run(argv: Sequence[str], name: str = "reserva") -> int:
    """Runs one command; returns its exit code."""
    prepare_streams()
    text = Texts(language.choose(argv, os.environ))
    settings = new_settings(text)
    try:
        _require_text(argv, text)
        code = build(text).main(
            list(argv), prog_name=name, complete_var=completion.VARIABLE, standalone_mode=False, obj=settings
        )
    except click.UsageError as error:
        _report_usage_error(error, text, name)
        return ExitCode.USAGE
    except ReservaError as error:
        json = settings.json if settings.json is not None else not sys.stdout.isatty()
        report_error(error, text, _hints(error, text, settings.key), json=json)
        return exit_codes.of_error(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo(text("interrupted"), err=True)
        return ExitCode.INTERRUPTED
    except OSError as error:
        click.echo(f"{text('error')}: {error}", err=True)
        _discard_output()
        return ExitCode.LOCAL_ERROR
    except OutputClosedError:
        _discard_output()
        return ExitCode.OK
    return code if isinstance(code, int) else ExitCode.OK


def _discard_output() -> None:
    """Sends the rest of the buffer, which has no reader, to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complete_for_kubectl(words: Sequence[str]) -> None:
    """Prints the completions of the last word."""
    completion.for_kubectl(build(Texts(language.choose([], os.environ))), words)


def _report_usage_error(error: click.UsageError, text: Texts, name: str) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return
    command = error.ctx.command_path if error.ctx else name
    click.echo(f"{text('error')}: {usage_message(error, text)}", err=True)
    click.echo(text("try", command=command), err=True)


def _require_text(argv: Sequence[str], text: Texts) -> None:
    """Raises UsageError for bytes that are not text."""
    for word in argv:
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise click.UsageError(text("bad.encoding", word=repr(word)))


def _hints(error: ReservaError, text: Texts, key: str) -> list[str]:
    match error:
        case UnreachableError(executed_maybe=True):
            return [text("hint.maybe", chave=key)] if key else []
        case UnreachableError():
            return [text("hint.unreachable")]
        case UnauthenticatedError():
            return [text("hint.token")]
        case PositionLostError():
            return [text("hint.position")]
    return []


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        try:
            click.echo(version("reservaestoque-reserva"))
        except PackageNotFoundError:
            click.echo("?")
        context.exit()
