"""The output of commands: tables for people, or lines of JSON for programs; errors go to standard error."""

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from reserva.cli.language import Texts
from reserva.cli.settings import Settings
from reserva.cli.terminal import Terminal, json_line, plain
from reserva.errors import ProblemError, ReservaError, UnreachableError


class Output:
    """The destination of one command's results."""

    def __init__(self, settings: Settings) -> None:
        self.json = settings.json if settings.json is not None else not sys.stdout.isatty()
        self.text = settings.text
        self.console = Terminal()
        self._errors = Terminal(stderr=True)
        if settings.given.get("verbose"):
            _print_retries(settings.text)

    def show(self, value: Any, shown: RenderableType | Iterable[RenderableType]) -> None:
        """Prints a value as JSON, or its table."""
        if self.json:
            self.line(value)
        else:
            self.console.print(shown)

    def line(self, value: Any) -> None:
        """Prints one line of JSON, at once."""
        click.echo(json_line(value))

    def remark(self, sentence: str, style: str = "yellow") -> None:
        """Prints a remark that is not a result."""
        self._errors.print(sentence, style=style, soft_wrap=True)

    def report_error(self, error: ReservaError, about: str) -> None:
        """Reports an error about one of several items."""
        if self.json:
            click.echo(json_line({**_members(error), "about": about}), err=True)
        else:
            self.remark(f"{about}: {sentence(error, self.text)}", "red")


def report_error(error: ReservaError, text: Texts, hints: Iterable[str], *, json: bool) -> None:
    """Reports an error, as one line of JSON if results are JSON."""
    if json:
        click.echo(json_line(_members(error)), err=True)
        return
    console = Terminal(stderr=True)
    console.print(Text(f"{text('error')}: ", "bold red"), end="")
    console.print(sentence(error, text), soft_wrap=True)
    for hint in hints:
        console.print(hint, style="dim", soft_wrap=True)


def sentence(error: ReservaError, text: Texts) -> str:
    """The error, in the chosen language if the text is this program's own."""
    if isinstance(error, UnreachableError):
        return text("unreachable", url=error.url, why=error.why)
    return error.detail if isinstance(error, ProblemError) else str(error)


def _members(error: ReservaError) -> Mapping[str, Any]:
    if isinstance(error, ProblemError):
        return {**error.members, "status": error.status, "detail": error.detail}
    return {"detail": str(error)}


class _Retries(logging.Handler):
    """Prints what the library logs: failed attempts that are retried."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(plain(record.getMessage()), err=True)


def _print_retries(text: Texts) -> None:
    logger = logging.getLogger("reserva")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(_Retries())
