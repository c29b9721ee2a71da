"""Tables and lines for people at a terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reserva.cli.language import Texts
from reserva.cli.texts import TEXTS
from reserva.system_state import SystemState
from reserva.types import ItemEmFalta, MudancaDoPedido, Pedido, Saldo, Status

STYLES = {
    Status.CRIADO: "blue",
    Status.ESTOQUE_RESERVADO: "yellow",
    Status.ESTOQUE_NAO_DISPONIVEL: "red",
    Status.RESERVA_EXPIRADA: "magenta",
    Status.FECHADO: "green",
    Status.CANCELADO: "dim",
}
_BAR = 24
_NAME = 12
_ROW = 96
_GAP = 2
_CELL = "▇"


def table(
    *columns: str, right: Iterable[int] = (), folding: Iterable[int] | None = None, header: bool = True
) -> Table:
    """An empty table without frames, like kubectl's; numbers are right-aligned. The columns `folding`, by default the
    last one, fold on a narrow terminal.
    """
    result = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    numbers = set(right)
    folds = ({len(columns) - 1} if folding is None else set(folding)) - numbers
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if place in numbers else "left"
        result.add_column(column, justify=justify, overflow="fold", no_wrap=place not in folds)
    return result


def status(value: Status) -> Text:
    """The status in its colour."""
    return Text(value.value, STYLES.get(value, ""))


def left(expires: datetime | None, now: datetime) -> str:
    """The time until the reservation lapses: 29:59."""
    if expires is None:
        return ""
    seconds = max(0, round((expires - now).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    return (f"{hours}:{rest // 60:02}" if hours else f"{rest // 60}") + f":{rest % 60:02}"


def local_time(moment: datetime) -> str:
    """The local time of day."""
    return moment.astimezone().strftime("%H:%M:%S")


def _moment(moment: datetime, now: datetime) -> str:
    """The time of day, or the date of another day."""
    here = moment.astimezone()
    return local_time(moment) if here.date() == now.astimezone().date() else here.strftime("%Y-%m-%d")


def pedido(text: Texts, one: Pedido, now: datetime | None = None) -> RenderableType:
    """An order, and its missing items."""
    lapses = left(one.expira_em, now or datetime.now(UTC))
    head = Text.assemble(
        (str(one.pedido_id), "bold"),
        "  ",
        status(one.status),
        f"  {text('order.lapses', left=lapses)}" if lapses else "",
    )
    lines: list[RenderableType] = [head, Text(f"  {one.cliente_id}: {items(one)}")]
    if one.itens_em_falta:
        lines += [Text(text("lacking.title"), "red"), lacking(text, one.itens_em_falta)]
    return Group(*lines)


def items(one: Pedido) -> str:
    """The items as they are written on the command line."""
    return " ".join(f"{item.sku}={item.quantidade}" for item in one.itens)


def lacking(text: Texts, missing: Sequence[ItemEmFalta]) -> Table:
    """The missing items, the numbers of missing units, and the reasons."""
    names = ("sku", "asked", "available", "lacking", "reason")
    result = table(*(text(f"column.{name}") for name in names), right=(1, 2, 3), folding=(0, 4))
    for one in missing:
        key = f"motivo.{one.motivo.value}"
        reason = text(key) if key in TEXTS else one.motivo.value
        missing_units = max(0, one.solicitado - one.disponivel)
        result.add_row(one.sku, str(one.solicitado), str(one.disponivel), Text(str(missing_units), "red"), reason)
    return result


def pedidos(text: Texts, orders: Sequence[Pedido], width: int) -> RenderableType:
    """A row for each order, or several lines if `width` leaves no room for whole ids."""
    if not orders:
        return Text(text("order.none"), "dim")
    if width < _ROW:
        return Group(*(pedido(text, one) for one in orders))
    names = ("order", "customer", "status", "expires", "updated", "items")
    result = table(*(text(f"column.{name}") for name in names), right=(3,), folding=(1, 5))
    now = datetime.now(UTC)
    for one in orders:
        lines = items(one).replace(" ", "\n")
        lapses, updated = left(one.expira_em, now), _moment(one.atualizado_em, now)
        result.add_row(str(one.pedido_id), one.cliente_id, status(one.status), lapses, updated, lines)
    return result


def change(text: Texts, one: Pedido | MudancaDoPedido) -> Text:
    """A line for a change of an order."""
    lapses = left(one.expira_em, datetime.now(UTC))
    return Text.assemble(
        (local_time(one.atualizado_em), "dim"),
        f"  {one.pedido_id}  ",
        (f"{one.cliente_id}  ", "cyan"),
        status(one.status),
        f"  {text('order.lapses', left=lapses)}" if lapses else "",
    )


def saldos(
    text: Texts, balances: Sequence[Saldo], width: int, changed: frozenset[str] = frozenset()
) -> RenderableType:
    """A row for each SKU, with a bar of its units and the name if `width` leaves room."""
    heads = [text(f"column.{name}") for name in ("sku", "available", "reserved", "sold", "supply")]
    room = width - sum(len(head) + _GAP for head in heads[1:])
    drawn = room >= max((len(one.sku) for one in balances), default=0) + _BAR + _NAME
    kept = len(heads) if room >= _NAME else 2
    more = ["", text("column.name")] if drawn else []
    result = table(*heads[:kept], *more, right=range(1, kept), folding=(kept + 1,) if drawn else (0,))
    for one in balances:
        style = "bold" if one.sku in changed else ""
        available = Text(str(one.disponivel), "red" if not one.disponivel else "cyan")
        others = map(str, (one.reservado, one.vendido, one.quantidade)[: kept - 2])
        picture: list[RenderableType] = [bar(one), Text(one.nome)] if drawn else []
        result.add_row(Text(one.sku, style), available, *others, *picture)
    if not result.row_count:
        return Text(text("stock.none"), "dim")
    return Group(result, Text.from_markup(text("stock.legend"), style="dim")) if drawn else result


def bar(one: Saldo) -> Text:
    """Sold, reserved and available units in proportion; each that is not zero has at least one cell."""
    parts = ((one.vendido, "green"), (one.reservado, "yellow"), (one.disponivel, "cyan"))
    whole = sum(count for count, _ in parts)
    if not whole:
        return Text("·" * _BAR, "dim")
    cells = [max(1, round(_BAR * count / whole)) if count else 0 for count, _ in parts]
    cells[cells.index(max(cells))] += _BAR - sum(cells)
    return Text.assemble(*((_CELL * n, style) for n, (_, style) in zip(cells, parts, strict=True)))


def system(text: Texts, state: SystemState) -> RenderableType:
    """Each part with its replicas, then the figures."""
    parts = table(text("column.part"), "", text("column.replicas"))
    for part in state.parts:
        ups = [replica.up for replica in part.replicas]
        parts.add_row(
            part.name, up(text, None if not ups or None in ups else all(ups)), _replicas(text, state, part.name)
        )
    figures = table("", "", right=(1,), header=False)
    if state.at is None:  # without the panel there are no figures
        return parts
    for label, value in _figures(text, state):
        figures.add_row(label, value)
    return Group(parts, Text(), figures)


def up(text: Texts, value: bool | None) -> Text:
    """The mark of a part that is up, down or unknown."""
    if value is None:
        return Text(text("system.unknown"), "dim")
    return Text(text("system.up"), "green") if value else Text(text("system.down"), "bold red")


def _replicas(text: Texts, state: SystemState, name: str) -> Text:
    [replicas] = [part.replicas for part in state.parts if part.name == name][:1]
    styles = {True: "green", False: "bold red", None: "dim"}
    return Text("  ").join(Text(f"● {replica.name}", styles[replica.up]) for replica in replicas)


def _figures(text: Texts, state: SystemState) -> Iterable[tuple[str, Text]]:
    decision, violations = state.decision, state.audit.violations if state.audit else None
    yield text("system.orders"), number(text, state.orders_per_second)
    times = (decision.p50, decision.p99) if decision else (None, None)
    yield text("system.decision"), _pair(text, *times, unit=" s")
    yield text("system.lapsing"), number(text, state.lapsing)
    for name, outbox in state.outbox.items():
        pair = (outbox.depth, outbox.age) if outbox else (None, None)
        yield text("system.outbox", name=name), _pair(text, *pair, unit=" s", first_unit="")
    for name, count in (state.dead_letters or {}).items():
        yield text("system.letters", name=name), number(text, count, bad=bool(count))
    yield text("system.violations"), number(text, violations, good=violations == 0, bad=bool(violations))


def _pair(text: Texts, one: float | None, other: float | None, unit: str, first_unit: str | None = None) -> Text:
    if one is None and other is None:
        return number(text, None)
    return Text(f"{_plain(one)}{unit if first_unit is None else first_unit}, {_plain(other)}{unit}")


def number(text: Texts, value: float | None, *, good: bool = False, bad: bool = False) -> Text:
    """A figure, or `unknown`."""
    if value is None:
        return Text(text("system.unknown"), "dim")
    return Text(_plain(value), "bold red" if bad else "bold green" if good else "")


def _plain(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}" if value != int(value) else f"{int(value)}"
