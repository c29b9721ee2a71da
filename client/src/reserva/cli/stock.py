"""`estoque`: current balances, and their changes."""

from collections.abc import Mapping
from itertools import islice

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from reserva.cli import screen
from reserva.cli.commands import Command
from reserva.cli.completion import skus as complete_skus
from reserva.cli.exit_codes import ExitCode
from reserva.cli.language import Texts
from reserva.cli.output import Output
from reserva.cli.settings import settings_of
from reserva.errors import PositionLostError
from reserva.sync import Reserva
from reserva.types import Saldo, SkuEncerrado

_REFRESH_PER_SECOND = 8
_MARGIN = 4
"""Number of lines besides the rows: heading, legend, note on hidden rows, cursor."""


def command(text: Texts) -> Command:
    """The command."""
    skus = click.Argument(["skus"], nargs=-1, metavar="[SKU]...", shell_complete=complete_skus)
    watch = click.Option(["--vigiar", "watch"], is_flag=True, help=text("estoque.watch"))
    return Command(text, "estoque", click.pass_context(_stock), [skus, watch])


def _stock(context: click.Context, skus: tuple[str, ...], watch: bool) -> int:
    settings = settings_of(context)
    output = Output(settings)
    with settings.client() as client:
        if watch:
            _watch(client, frozenset(skus), output)
        return _list(client, skus, output)


def _list(client: Reserva, skus: tuple[str, ...], output: Output) -> int:
    found, unknown = _balances(client, skus)
    if output.json:
        for saldo in found:
            output.line(saldo)
    elif found or not unknown:
        output.console.print(screen.saldos(output.text, found, output.console.width))
    if unknown:
        output.remark(output.text("stock.unknown", skus=", ".join(unknown)))
    return ExitCode.NOT_FOUND if unknown else ExitCode.OK


def _balances(client: Reserva, skus: tuple[str, ...] | frozenset[str]) -> tuple[list[Saldo], tuple[str, ...]]:
    if not skus:
        return list(client.saldos()), ()
    found = client.consulta(list(skus))
    return list(found.itens), found.desconhecidos


def _watch(client: Reserva, skus: frozenset[str], output: Output) -> None:
    """Shows changes of balances until interrupted; starts over if the position is lost."""
    while True:
        try:
            (_watch_lines if output.json else _watch_table)(client, skus, output)
        except PositionLostError as lost:
            output.remark(lost.detail)


def _watch_lines(client: Reserva, skus: frozenset[str], output: Output) -> None:
    with client.follow_saldos() as stream:
        stream.opened()  # before the list is read, so that no change in between is missed
        for saldo in _balances(client, skus)[0]:
            output.line(saldo)
        for change in stream:
            if not skus or change.sku in skus:
                output.line(change if isinstance(change, Saldo) else {"sku": change.sku, "encerrado": True})


def _watch_table(client: Reserva, skus: frozenset[str], output: Output) -> None:
    with client.follow_saldos() as stream:
        stream.opened()
        balances = {saldo.sku: saldo for saldo in _balances(client, skus)[0]}
        with Live(console=output.console, refresh_per_second=_REFRESH_PER_SECOND) as live:
            live.update(table(output, balances))
            for change in stream:
                if skus and change.sku not in skus:
                    continue
                if isinstance(change, SkuEncerrado):
                    balances.pop(change.sku, None)
                else:
                    balances.pop(change.sku, None)
                    balances[change.sku] = change  # the most recent change is last
                live.update(table(output, balances, frozenset({change.sku})))


def table(output: Output, balances: Mapping[str, Saldo], changed: frozenset[str] = frozenset()) -> RenderableType:
    """The balances; if they do not fit on the screen, the most recently changed ones."""
    hidden = len(balances) - max(1, output.console.height - _MARGIN)
    shown = sorted(islice(balances.values(), max(0, hidden), None), key=lambda one: one.sku)
    rows = screen.saldos(output.text, shown, output.console.width, changed)
    return Group(rows, Text(output.text("stock.more", count=hidden), "dim")) if hidden > 0 else rows
