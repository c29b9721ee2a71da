"""A sale is the same for the same seed, and the account adds up."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.account import draw_up
from demo.plan import FAST, FULL, PRODUCTS, Habit, disturbances, sale
from demo.texts import TEXTS
from reserva import Item, Pedido, Saldo, Status


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**9))
def test_a_seed_determines_the_sale(seed: int):
    one, other = sale(seed, FAST), sale(seed, FAST)
    assert one == other
    assert one.shoppers != sale(seed + 1, FAST).shoppers
    assert sum(units for _, units in one.units) == FAST.units
    assert [shopper.number for shopper in one.shoppers] == list(range(1, FAST.shoppers + 1))
    assert all(0 <= shopper.arrives <= FAST.seconds for shopper in one.shoppers)
    assert all(1 <= len(shopper.cart) <= 3 for shopper in one.shoppers)


def test_the_full_sale_is_as_announced():
    planned = sale(7, FULL)
    assert (len(planned.shoppers), sum(units for _, units in planned.units)) == (5000, 1000)
    habits = Counter(shopper.habit for shopper in planned.shoppers)
    assert set(habits) == set(Habit)
    demand = sum(quantity for shopper in planned.shoppers for _, quantity in shopper.cart)
    assert demand > 3 * FULL.units, "demand exceeds supply"
    assert sum(share for _, _, share in PRODUCTS) == 100


def test_every_part_is_disturbed_while_shoppers_arrive():
    parts = ["gateway", "pedidos-1", "estoque-1", "operator", "conferir", "painel"]
    planned = disturbances(parts, restarts_broker=True, restocks=True)
    assert {one.part for one in planned if one.action == "kill"} == set(parts)
    assert {one.action for one in planned} == {"kill", "restart", "restock"}
    assert all(0 < one.at < 0.9 for one in planned)
    assert disturbances([], restarts_broker=False, restocks=False) == []


NOW = datetime(2026, 11, 26, tzinfo=UTC)


def order(number: int, status: Status, customer: str | None = None, **items: int) -> Pedido:
    itens = tuple(Item(sku, quantity) for sku, quantity in items.items())
    pedido_id = UUID(int=number)
    expires = NOW + timedelta(seconds=5) if status == Status.ESTOQUE_RESERVADO else None
    return Pedido(pedido_id, customer or f"c-{number}", status, itens, (), NOW, NOW, expires, 1)


def saldo(quantidade: int, reservado: int, vendido: int) -> Saldo:
    return Saldo("A", "A", quantidade, reservado, vendido, quantidade - reservado - vendido)


def account(told: list[Pedido], stored: list[Pedido], after: Saldo, too_late: set[UUID] = frozenset()):  # type: ignore[assignment]
    return draw_up({one.pedido_id: one for one in told}, stored, {"A": saldo(10, 0, 4)}, {"A": after}, too_late)


def test_units_that_were_freed_and_resold_are_counted():
    stored = [
        order(1, Status.FECHADO, A=4),
        order(2, Status.RESERVA_EXPIRADA, A=3),
        order(3, Status.FECHADO, A=2),
        order(4, Status.CANCELADO, A=1),
        order(5, Status.ESTOQUE_NAO_DISPONIVEL, A=2),
        order(6, Status.ESTOQUE_NAO_DISPONIVEL, A=9),
    ]
    made = account(stored, stored, saldo(10, 0, 10), {UUID(int=5)})
    assert (made.sold, made.sold_orders, made.refused, made.lapsed_orders, made.cancelled) == (6, 2, 2, 1, 1)
    assert (made.lapsed, made.resold) == (6, 6), "6 units for sale had 12 holders"
    assert (made.oversold, made.lost, made.doubled, made.faults) == (0, 0, 0, ())


@pytest.mark.parametrize(
    ("told", "stored", "after", "fault"),
    [
        ([order(1, Status.FECHADO, A=1)], [], saldo(10, 0, 4), "does not exist"),
        ([order(1, Status.CRIADO, A=1)], [order(1, Status.CRIADO, A=1)], saldo(10, 0, 4), "undecided"),
        (
            [order(1, Status.FECHADO, A=1)],
            [order(1, Status.RESERVA_EXPIRADA, A=1)],
            saldo(10, 0, 4),
            "was Fechado and is ReservaExpirada",
        ),
        ([], [order(1, Status.FECHADO, A=1)], saldo(10, 0, 4), "has sold 0 units, the closed orders have 1"),
        ([], [], saldo(10, 0, 5), "has sold 1 units, the closed orders have 0"),
        (
            [],
            [order(1, Status.CANCELADO, "x", A=1), order(2, Status.CANCELADO, "x", A=1)],
            saldo(10, 0, 4),
            "2 orders instead of one",
        ),
        ([], [], saldo(10, 8, 4), "more units are committed than exist"),
    ],
)
def test_contradictions_are_found(told: list[Pedido], stored: list[Pedido], after: Saldo, fault: str):
    assert fault in "; ".join(account(told, stored, after).faults)


def test_texts_have_both_languages():
    assert all(len(texts) == 2 and all(texts) for texts in TEXTS.values())
