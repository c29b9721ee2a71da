"""Decides the status of a StockItem."""

from msgspec.structs import replace

from operador.decide.outcome import Outcome
from operador.decide.saldo import Saldo
from operador.decide.stockitem import Condition, Status, StockItem

SYNCED, AVAILABLE, LOW_STOCK = "Synced", "Available", "LowStock"


def status_from_saldo(item: StockItem, saldo: Saldo, outcome: Outcome, previous: Status | None, now: str) -> Status:
    """The status of an item whose SKU has this row. `now` is RFC 3339.

    If the row belongs to another StockItem, the status has no numbers, because they describe that item.
    """
    conditions = [_synced(item, saldo, outcome), _available(item, saldo, outcome), _low_stock(item, saldo, outcome)]
    status = Status(sku=item.sku, generation=item.generation, conditions=_dated(conditions, previous, now))
    if outcome is Outcome.CONFLICT:
        return status
    return replace(
        status,
        quantidade=saldo.quantidade,
        disponivel=0 if item.ending else saldo.disponivel,
        reservado=saldo.reservado,
        vendido=saldo.vendido,
        on_hand=saldo.quantidade - saldo.vendido,
    )


def status_unsynced(item: StockItem, previous: Status | None, reason: str, message: str, now: str) -> Status:
    """The status of an item that could not be synchronised: it keeps its last known units."""
    synced = Condition(SYNCED, "False", reason, message, item.generation, now)
    kept = [c for c in (previous.conditions if previous else ()) if c.type != SYNCED]
    base = previous or Status(sku=item.sku, generation=item.generation, conditions=())
    conditions = (*_dated([synced], previous, now), *kept)
    return replace(base, sku=item.sku, generation=item.generation, conditions=conditions)


def _dated(conditions: list[Condition], previous: Status | None, now: str) -> tuple[Condition, ...]:
    """lastTransitionTime moves only when the condition's status does."""
    before = {c.type: c for c in (previous.conditions if previous else ())}

    def since(condition: Condition) -> str:
        old = before.get(condition.type)
        return old.since if old is not None and old.status == condition.status else now

    return tuple(replace(condition, since=since(condition)) for condition in conditions)


def _synced(item: StockItem, saldo: Saldo, outcome: Outcome) -> Condition:
    match outcome:
        case Outcome.CONFLICT:
            return _condition(item, SYNCED, False, "SkuConflict", f"SKU {item.sku} belongs to StockItem {saldo.dono}")
        case Outcome.DELETING:
            message = f"Deletion waits for {_units(saldo.reservado)} in live reservations"
            return _condition(item, SYNCED, False, "Deleting", message)
        case Outcome.BELOW_COMMITTED:
            return _condition(item, SYNCED, False, "BelowCommitted", _below_committed(item, saldo))
        case _:
            message = f"Supply of {_units(saldo.quantidade)} is in force"
            return _condition(item, SYNCED, True, "Synced", message)


def _below_committed(item: StockItem, saldo: Saldo) -> str:
    return (
        f"spec.quantity is {item.quantidade}, but {saldo.quantidade} are committed ({saldo.reservado} reserved, "
        f"{saldo.vendido} sold): no new reservations; supply falls with each release"
    )


def _available(item: StockItem, saldo: Saldo, outcome: Outcome) -> Condition:
    if outcome is Outcome.CONFLICT:
        return _condition(item, AVAILABLE, False, "SkuConflict", "Another StockItem supplies this SKU")
    if outcome is Outcome.DELETING:
        return _condition(item, AVAILABLE, False, "Deleting", "No new reservations: the StockItem is being deleted")
    if item.paused:
        return _condition(item, AVAILABLE, False, "Paused", "No new reservations: spec.paused is true")
    if saldo.disponivel == 0:
        return _condition(item, AVAILABLE, False, "OutOfStock", "No unit is available")
    return _condition(item, AVAILABLE, True, "InStock", "Units can be reserved")


def _low_stock(item: StockItem, saldo: Saldo, outcome: Outcome) -> Condition:
    if outcome is Outcome.CONFLICT or item.ending:
        return _condition(item, LOW_STOCK, False, "NotSupplied", "This StockItem supplies nothing")
    if item.limite_baixo is None:
        return _condition(item, LOW_STOCK, False, "NoThreshold", "spec.lowStockThreshold is not set")
    if saldo.disponivel <= item.limite_baixo:
        message = f"{_units(item.limite_baixo)} or fewer are available"
        return _condition(item, LOW_STOCK, True, "AtOrBelowThreshold", message)
    message = f"More than {_units(item.limite_baixo)} are available"
    return _condition(item, LOW_STOCK, False, "AboveThreshold", message)


def _condition(item: StockItem, type_: str, holds: bool, reason: str, message: str) -> Condition:
    return Condition(type_, str(holds), reason, message, item.generation, "")


def _units(n: int) -> str:
    return "1 unit" if n == 1 else f"{n} units"
