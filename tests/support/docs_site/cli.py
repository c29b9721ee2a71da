"""The command lines, as their own `--help` explains them."""

import os

import click

from docs_site.parsers import PARSERS
from reserva.cli import app
from reserva.cli.language import Texts

INTRODUCTION = """\
# Command lines

Generated from the programs' own parsers. [The client](../client.md#the-command-line) introduces `reserva`; with
`--idioma pt` or a Portuguese locale its help and its messages are in Portuguese.
"""


def page() -> str:
    """The text of the page."""
    os.environ["COLUMNS"] = "110"  # of argparse's help, on any terminal
    program = app.build(Texts("en"))
    top = click.Context(program, info_name="reserva", max_content_width=110, terminal_width=110)
    parts = [INTRODUCTION, "## reserva\n", _block(program.get_help(top))]
    for name in program.list_commands(top):
        command = program.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top, max_content_width=110, terminal_width=110)
        parts += [f"### reserva {name}\n", _block(command.get_help(context))]
    for title, parser in PARSERS.items():
        parts += [f"## {title}\n", _block(parser().format_help())]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"
