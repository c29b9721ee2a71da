"""The sale on a terminal: stock, figures and events, then the account."""

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.account import Account
from demo.journal import Journal
from demo.plan import BROKER, PRODUCTS, Sale
from demo.texts import Texts
from demo.world import Verdict
from reserva import Status
from reserva.cli.screen import bar

_EVENT_LINES = 12
_PER_SECOND = 4
_PICTURE_WIDTH = 110
_NAMES = {sku: name for sku, name, _ in PRODUCTS}


class Screen:
    """Shows a sale in progress; prints only lines if the output is not a terminal."""

    def __init__(self, text: Texts, sale: Sale, journal: Journal, url: str, console: Console) -> None:
        self._text, self._sale, self._journal, self._url = text, sale, journal, url
        self._console = console
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self.picture, console=console, refresh_per_second=_PER_SECOND, transient=True
            )
        else:
            journal.listener = lambda moment, line: console.print(f"{_clock(moment)}  {line}", soft_wrap=True)

    def __enter__(self) -> "Screen":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._console.print(self.picture())

    def picture(self) -> RenderableType:
        """The current screen."""
        text, sale, journal = self._text, self._sale, self._journal
        head = Text.assemble(
            (text("title"), "bold"),
            "  ",
            text("subtitle", units=sale.size.units, shoppers=sale.size.shoppers, seed=sale.seed, url=self._url),
        )
        progress = ProgressBar(total=sale.size.shoppers, completed=journal.arrived, width=None)
        middle = Table.grid(padding=(0, 3), expand=True)
        middle.add_column(ratio=3)
        middle.add_column(ratio=2)
        middle.add_row(self._stock(), self._figures())
        return Panel(Group(head, progress, Text(), middle, Text(), self._events()), border_style="blue")

    def _stock(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column()
        table.add_column()
        table.add_column(justify="right")
        for sku in self._sale.skus:
            saldo = self._journal.of_this_sale(sku)
            if saldo is not None:
                gone = "bold red" if not saldo.disponivel else ""
                table.add_row(_NAMES.get(sku, sku), bar(saldo), Text(str(saldo.disponivel), gone))
        return table

    def _figures(self) -> Table:
        text, journal = self._text, self._journal
        times = journal.time_to_decision()
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(justify="right")
        table.add_row(text("shoppers"), f"{journal.arrived}/{self._sale.size.shoppers}")
        table.add_row(text("inside"), str(journal.active))
        table.add_row(text("per_second"), f"{journal.per_second():.0f}")
        table.add_row(text("decision"), f"{times[0]:.2f} s  {times[1]:.2f} s" if times else "")
        for key, status, style in (
            ("reserved", Status.ESTOQUE_RESERVADO, "yellow"),
            ("sold", Status.FECHADO, "bold green"),
            ("refused", Status.ESTOQUE_NAO_DISPONIVEL, "red"),
            ("lapsed", Status.RESERVA_EXPIRADA, "magenta"),
            ("cancelled", Status.CANCELADO, "dim"),
        ):
            table.add_row(text(key), Text(str(journal.count(status)), style))
        table.add_row(text("retried"), str(journal.retries))
        for part, pods in journal.pods.items():
            table.add_row(f"{part}: {text('pods')}", pods)
        return table

    def _events(self) -> RenderableType:
        lines = [Text(f"{_clock(moment)}  {line}") for moment, line in self._journal.events[-_EVENT_LINES:]]
        down = sorted(self._journal.down)
        return Group(*lines, Text("  ".join(f"✗ {part}" for part in down), "bold red") if down else Text())


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 60:02}:{whole % 60:02}"


def account(
    text: Texts, result: Account, journal: Journal, verdict: Verdict, faults: Iterable[str]
) -> RenderableType:
    """The account: what was sold, what happened, and the figures that must be zero."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column()
    rows.add_column()
    for label, value in _happened(text, result, journal):
        rows.add_row(label, value)
    for part, seconds in journal.downtime.items():
        key = "account.restarted" if part == BROKER else "account.killed"
        rows.add_row(text(key, part=part), f"{seconds:.1f} s")
    for key, count in _must_be_zero(result, journal).items():
        rows.add_row(text(key), Text(str(count), "bold red" if count else "bold green"))
    style = {True: "bold green", False: "bold red", None: "yellow"}[verdict.good]
    rows.add_row(text("account.conferir"), Text(verdict.text, style))
    faults = list(faults)
    end = [Text(text("broken"), "bold red"), *map(Text, faults)] if faults else [Text(text("held"), "bold green")]
    return Panel(Group(rows, Text(), *end), title=text("account"), border_style="red" if faults else "green")


def _happened(text: Texts, result: Account, journal: Journal) -> Iterable[tuple[str, str]]:
    yield text("account.orders"), str(result.orders)
    yield text("account.sold"), f"{result.sold} {text('account.in_orders', n=result.sold_orders)}"
    yield text("account.refused"), str(result.refused)
    freed = text("account.lapsed_value", lapsed=result.lapsed_orders, cancelled=result.cancelled)
    yield text("account.lapsed"), freed
    yield text("account.resold"), text("account.resold_value", freed=result.lapsed, resold=result.resold)
    yield text("account.late"), text("account.late_value", sold=journal.late_sold, late=len(journal.too_late))
    yield text("account.twice"), text("account.twice_value", n=journal.doubled)
    yield text("account.retried"), str(journal.retries)


def _must_be_zero(result: Account, journal: Journal) -> Mapping[str, int]:
    return {
        "account.oversold": result.oversold,
        "account.lost": result.lost,
        "account.doubled": result.doubled,
        "account.gave_up": len(journal.errors),
    }


def save(picture: RenderableType, path: Path) -> None:
    """Writes the terminal's content as an SVG without external resources."""
    console = Console(record=True, width=_PICTURE_WIDTH, force_terminal=True, file=StringIO(), highlight=False)
    console.print(picture)
    text = console.export_svg(title="make demo", unique_id="demo")
    text = re.sub(r"@font-face \{.*?\}\s*", "", text, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")
