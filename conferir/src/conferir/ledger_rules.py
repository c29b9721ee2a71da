"""The rules of estoque's ledger. Pure: no I/O, the clock is an argument."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from conferir.pedido import Pedido
from conferir.violation import Rule, Violation
from reservaestoque.events import Status

_decode_itens = msgspec.json.Decoder(dict[str, int]).decode


class Sku(NamedTuple):
    """A stock row, and the sums of its lines: units held and units sold."""

    sku: str
    alvo: int
    quantidade: int
    reservado: int
    vendido: int
    arquivado: int
    held: int
    sold: int


class Line(NamedTuple):
    """Units that an order holds or has bought. `known_sku`: a stock row for the SKU exists."""

    pedido_id: UUID
    sku: str
    quantidade: int
    expira_em: datetime
    vendida: bool
    known_sku: bool


def check_sku(s: Sku) -> Iterator[Violation]:
    """The violations in a stock row."""
    if s.reservado + s.vendido > s.quantidade or s.quantidade != max(s.alvo, s.reservado + s.vendido):
        yield Violation(
            Rule.SUPPLY,
            s.sku,
            f"{s.reservado} reserved and {s.vendido} sold of a supply of {s.quantidade}; {s.alvo} declared",
        )
    if (s.reservado, s.vendido - s.arquivado) != (s.held, s.sold):
        yield Violation(
            Rule.COUNTERS,
            s.sku,
            f"{s.reservado} reserved, {s.vendido} sold ({s.arquivado} of them archived), "
            f"but the lines hold {s.held} and have sold {s.sold}",
        )


def check_pedido(pedido_id: UUID, pedido: Pedido | None, lines: Sequence[Line], now: datetime) -> Iterator[Violation]:
    """The violations in an order's lines; `pedido` is None when only lines exist.

    A lapsed reservation may have lost any of its lines: other orders release them when they need the units.
    """

    def violation(detail: str) -> Violation:
        return Violation(Rule.LINES, str(pedido_id), detail)

    if pedido is None:
        yield violation(f"{len(lines)} lines without an order")
        return
    itens = _parse_itens(pedido)
    if itens is None:
        yield violation(f"its items are not units by SKU: {pedido.itens}")
        return
    if not itens and pedido.status != Status.CANCELADO:
        yield violation(f"{pedido.status} without items")
    for line in lines:
        error = _line_error(line, pedido, itens)
        if error:
            yield violation(f"{pedido.status}: {line.quantidade} of {line.sku}: {error}")
    if len(lines) < len(itens) and _needs_every_line(pedido, now):
        yield violation(f"{pedido.status}: {len(lines)} lines for {len(itens)} items")


def _line_error(line: Line, pedido: Pedido, itens: dict[str, int]) -> str:
    """The fault of a line, as a sentence; empty for a correct line."""
    if not line.known_sku:
        return "unknown SKU"
    if itens.get(line.sku) != line.quantidade:
        return f"the order requests {itens.get(line.sku, 0)}"
    if pedido.status == Status.FECHADO:
        return "" if line.vendida else "held by a closed order"
    if pedido.status != Status.ESTOQUE_RESERVADO:
        return "an order in this status holds nothing"
    if line.vendida:
        return "sold by an order that is not closed"
    return "" if line.expira_em == pedido.expira_em else "lapses at a different time from its order"


def lacks_lines(pedido: Pedido, lines: Sequence[Line], now: datetime) -> bool:
    """Whether the order should have a line per item at this instant but does not."""
    itens = _parse_itens(pedido)
    return itens is not None and len(lines) < len(itens) and _needs_every_line(pedido, now)


def _needs_every_line(pedido: Pedido, now: datetime) -> bool:
    return pedido.status == Status.FECHADO or (pedido.expira_em is not None and pedido.expira_em > now)


def _parse_itens(pedido: Pedido) -> dict[str, int] | None:
    try:
        return _decode_itens(pedido.itens)
    except msgspec.DecodeError:
        return None
