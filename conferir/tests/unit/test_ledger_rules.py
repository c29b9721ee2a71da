"""The ledger rules as tables."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from conferir.ledger_rules import Line, Sku, check_pedido, check_sku
from conferir.pedido import Pedido
from conferir.violation import Rule

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
ID = UUID(int=7)


def sku(**changed: int) -> Sku:
    """Ten declared, three reserved, four sold including one archived."""
    good = {
        "alvo": 10,
        "quantidade": 10,
        "reservado": 3,
        "vendido": 4,
        "arquivado": 1,
        "held": 3,
        "sold": 3,
    }
    return Sku("A", **{**good, **changed})


def pedido(status: str, itens: str = '{"A": 2, "B": 1}', expira_em: datetime | None = None) -> Pedido:
    return Pedido(ID, status, 1, itens, "[]", expira_em, EARLIER, EARLIER)


def line(sku: str = "A", quantidade: int = 2, *, expira_em: datetime = LATER, vendida: bool = False) -> Line:
    return Line(ID, sku, quantidade, expira_em, vendida, sku != "GONE")


@pytest.mark.parametrize(
    ("row", "rules"),
    [
        (sku(), []),
        (sku(alvo=5, quantidade=7), []),
        (sku(reservado=7, held=7, quantidade=10), [Rule.SUPPLY]),
        (sku(quantidade=11), [Rule.SUPPLY]),
        (sku(alvo=5, quantidade=8), [Rule.SUPPLY]),
        (sku(held=2), [Rule.COUNTERS]),
        (sku(sold=4), [Rule.COUNTERS]),
        (sku(arquivado=0), [Rule.COUNTERS]),
    ],
)
def test_stock_rows(row: Sku, rules: list[Rule]):
    assert [v.rule for v in check_sku(row)] == rules


@pytest.mark.parametrize(
    ("order", "lines"),
    [
        (pedido("EstoqueReservado", expira_em=LATER), [line(), line("B", 1)]),
        (pedido("Fechado"), [line(vendida=True), line("B", 1, vendida=True)]),
        (pedido("Cancelado"), []),
        (pedido("Cancelado", "{}"), []),
        (pedido("EstoqueNaoDisponivel"), []),
        (pedido("ReservaExpirada"), []),
    ],
)
def test_orders_with_the_lines_they_should_have(order: Pedido, lines: list[Line]):
    assert list(check_pedido(ID, order, lines, NOW)) == []


@pytest.mark.parametrize("lines", [[], [line(expira_em=EARLIER)], [line("B", 1, expira_em=EARLIER)]])
def test_a_lapsed_unswept_reservation_may_have_lost_any_line(lines: list[Line]):
    assert list(check_pedido(ID, pedido("EstoqueReservado", expira_em=EARLIER), lines, NOW)) == []


@pytest.mark.parametrize(
    ("order", "lines", "detail"),
    [
        (None, [line()], "1 lines without an order"),
        (pedido("EstoqueReservado", expira_em=LATER), [line()], "1 lines for 2 items"),
        (pedido("Fechado"), [line(vendida=True)], "1 lines for 2 items"),
        (pedido("Fechado", "{}"), [], "without items"),
        (pedido("Fechado", "[]"), [], "not units by SKU"),
        (pedido("Cancelado"), [line()], "holds nothing"),
        (pedido("ReservaExpirada"), [line(vendida=True)], "holds nothing"),
        (pedido("Fechado", '{"A": 2}'), [line()], "held by a closed order"),
        (
            pedido("EstoqueReservado", '{"A": 2}', LATER),
            [line(vendida=True)],
            "sold by an order that is not closed",
        ),
        (pedido("EstoqueReservado", '{"A": 2}', LATER), [line(expira_em=EARLIER)], "at a different time"),
        (pedido("EstoqueReservado", '{"A": 3}', LATER), [line()], "requests 3"),
        (pedido("EstoqueReservado", '{"A": 2}', LATER), [line(), line("C", 1)], "requests 0"),
        (pedido("EstoqueReservado", '{"GONE": 2}', LATER), [line("GONE")], "unknown SKU"),
    ],
)
def test_orders_with_wrong_lines(order: Pedido | None, lines: list[Line], detail: str):
    [violation] = check_pedido(ID, order, lines, NOW)
    assert violation.rule == Rule.LINES
    assert violation.key == str(ID)
    assert detail in violation.detail
