"""Commands and groups of click with headings and errors in the chosen language."""

import contextlib
import difflib
from collections.abc import Callable, Iterator
from typing import Any

import click

from reserva.cli.language import Texts
from reserva.cli.params import with_wait_number
from reserva.cli.settings import common_options

_SHORT_HELP_LENGTH = 60


class OutputClosedError(Exception):
    """Standard output is closed, as in `reserva … | head`."""


class _Translated(click.Command):
    """The common base of commands and groups."""

    text: Texts

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line of usage."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{self.text('usage')} ")

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The arguments after the command's name."""
        pieces = super().collect_usage_pieces(ctx)
        return [f"[{self.text('options').upper()}]", *pieces[1:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then the common ones."""
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        records = [(p, r) for p in options if (r := p.get_help_record(ctx)) is not None]
        common = {p.name for p in common_options(self.text)} | {"help"}
        own = [record for param, record in records if param.name not in common]
        rest = [record for param, record in records if param.name in common]
        for heading, rows in (("options", own), ("common", rest)):
            if rows:
                with formatter.section(self.text(heading)):
                    formatter.write_dl(rows)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`--help`, explained in the chosen language."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = self.text("help.help")
        return option


class Command(_Translated):
    """A command; its callback returns the exit code."""

    def __init__(
        self, text: Texts, name: str, callback: Callable[..., int], params: list[click.Parameter], **settings: Any
    ) -> None:
        self.text = text
        help_text = text(f"{name}.help")
        super().__init__(
            name,
            callback=callback,
            params=[*params, *common_options(text)],
            help=help_text,
            short_help=help_text.partition("\n")[0],
            context_settings={"allow_extra_args": True, **settings},
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the arguments."""
        rest = super().parse_args(ctx, with_wait_number(args))
        if rest and not ctx.resilient_parsing:
            raise click.UsageError(self.text("bad.extra", words=" ".join(rest)), ctx)
        return rest


class Group(_Translated, click.Group):
    """The program."""

    def __init__(self, text: Texts, params: list[click.Parameter], commands: list[click.Command]) -> None:
        self.text = text
        super().__init__(
            "reserva",
            commands={one.name or "": one for one in commands},
            params=[*params, *common_options(text)],
            help=text("program"),
            no_args_is_help=True,
            subcommand_metavar=text("subcommand"),
        )

    def make_context(self, *words: Any, **more: Any) -> click.Context:
        """Reads the command line. Raises OutputClosedError."""
        with _closed_output_reported():
            return super().make_context(*words, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Raises OutputClosedError."""
        with _closed_output_reported():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named by the first word. Raises UsageError."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.commands, 1)
            raise click.UsageError(self.text("bad.command", name=args[0], hint=_hint(near, self.text)), ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the commands."""
        _Translated.format_options(self, ctx, formatter)
        rows = [(name, command.get_short_help_str(_SHORT_HELP_LENGTH)) for name, command in self.commands.items()]
        with formatter.section(self.text("commands")):
            formatter.write_dl(rows)


@contextlib.contextmanager
def _closed_output_reported() -> Iterator[None]:
    """Replaces click's exit code 1, which has another meaning here."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosedError from error


def usage_message(error: click.UsageError, text: Texts) -> str:
    """The error in the command line, as a sentence in the chosen language."""
    match error:
        case click.NoSuchOption():
            return text("bad.option", name=error.option_name, hint=_hint(error.possibilities, text))
        case click.MissingParameter():
            return text("bad.missing", name=_name(error))
        case click.BadParameter():
            name = _name(error)
            return f"{name}: {error.message}" if name else error.message
        case click.BadOptionUsage():
            key = "bad.no_value" if "does not take" in error.message else "bad.value"
            return text(key, name=error.option_name)
    return error.message


def _name(error: click.BadParameter) -> str:
    param = error.param
    if param is None:
        return ""
    return param.opts[0] if isinstance(param, click.Option) else (param.metavar or "").strip("[].")


def _hint(possibilities: object, text: Texts) -> str:
    first = next(iter(possibilities), None) if isinstance(possibilities, (list, tuple)) else None
    return text("bad.hint", possible=first) if first else ""
