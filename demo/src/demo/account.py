"""The final account: what was sold, and whether all invariants held. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from reserva import Pedido, Saldo, Status

_FREED = (Status.RESERVA_EXPIRADA, Status.CANCELADO)


@dataclass(frozen=True)
class Account:
    """Units and orders of the sale; `faults` lists violated invariants.

    lapsed, resold: units of lapsed or cancelled reservations, and how many of them were sold to others.
    """

    orders: int
    sold_orders: int
    sold: int
    refused: int
    lapsed_orders: int
    cancelled: int
    lapsed: int
    resold: int
    oversold: int
    lost: int
    doubled: int
    faults: tuple[str, ...] = field(default_factory=tuple)


def draw_up(
    seen: Mapping[UUID, Pedido],
    stored: Iterable[Pedido],
    before: Mapping[str, Saldo],
    after: Mapping[str, Saldo],
    too_late: Collection[UUID],
) -> Account:
    """Compares the shoppers' answers with the stored data.

    seen: each order that was answered with 2xx, as its shopper last saw it. stored: the sale's orders as stored now.
    before, after: balances. too_late: orders whose reservation lapsed, and whose payment failed because the units
    had been sold to others.
    """
    orders = {order.pedido_id: order for order in stored}
    by_status = Counter(order.status for order in orders.values())
    sold = _units(order for order in orders.values() if order.status == Status.FECHADO)
    held = _units(order for order in orders.values() if order.status == Status.ESTOQUE_RESERVADO)
    freed = _units(o for o in orders.values() if o.status in _FREED or o.pedido_id in too_late)
    resold = {sku: _resold(freed[sku], sold[sku] + held[sku], _supply(sku, before, after)) for sku in after}
    customers = Counter(order.cliente_id for order in orders.values())
    faults = [
        *_wrong_balances(sold, before, after),
        *_lost(seen, orders),
        *(f"{customer} has {n} orders instead of one" for customer, n in customers.items() if n > 1),
        *(f"{one.sku}: more units are committed than exist: {one}" for one in after.values() if _oversold(one)),
    ]
    return Account(
        orders=len(orders),
        sold_orders=by_status[Status.FECHADO],
        sold=sold.total(),
        refused=by_status[Status.ESTOQUE_NAO_DISPONIVEL],
        lapsed_orders=by_status[Status.RESERVA_EXPIRADA],
        cancelled=by_status[Status.CANCELADO],
        lapsed=freed.total(),
        resold=sum(resold.values()),
        oversold=sum(max(0, one.vendido + one.reservado - one.quantidade) for one in after.values()),
        lost=len(list(_lost(seen, orders))),
        doubled=sum(n - 1 for n in customers.values()),
        faults=tuple(faults),
    )


def _units(orders: Iterable[Pedido]) -> Counter[str]:
    units = Counter[str]()
    for order in orders:
        units.update({item.sku: item.quantidade for item in order.itens})
    return units


def _supply(sku: str, before: Mapping[str, Saldo], after: Mapping[str, Saldo]) -> int:
    """Units that were for sale, including restocked ones."""
    start = before[sku]
    return after[sku].quantidade - start.vendido - start.reservado


def _resold(freed: int, committed: int, supply: int) -> int:
    """Units held over time in excess of the supply, which therefore had several holders: they were sold again."""
    return max(0, min(freed, freed + committed - supply))


def _oversold(saldo: Saldo) -> bool:
    return saldo.vendido + saldo.reservado > saldo.quantidade or saldo.disponivel < 0


def _wrong_balances(sold: Counter[str], before: Mapping[str, Saldo], after: Mapping[str, Saldo]) -> Iterable[str]:
    for sku, now in after.items():
        counted = now.vendido - before[sku].vendido
        if counted != sold[sku]:
            yield f"{sku}: estoque has sold {counted} units, the closed orders have {sold[sku]}"


def _lost(seen: Mapping[UUID, Pedido], stored: Mapping[UUID, Pedido]) -> Iterable[str]:
    for pedido_id, last_seen in seen.items():
        now = stored.get(pedido_id)
        if now is None:
            yield f"order {pedido_id} was answered and does not exist"
        elif not now.decided:
            yield f"order {pedido_id} is undecided"
        elif last_seen.status.final and now.status != last_seen.status:
            yield f"order {pedido_id} was {last_seen.status.value} and is {now.status.value}"
