"""Decides what a stock row means for a StockItem."""

from enum import Enum

from operador.decide.saldo import Saldo
from operador.decide.stockitem import ItemKey, Status, StockItem

_SITUACAO = {False: "Ativo", True: "Pausado"}


class Outcome(Enum):
    """The relation between a StockItem and the row of its SKU."""

    SYNCED = "the row matches the StockItem"
    BELOW_COMMITTED = "the row matches the StockItem, but more units are committed than supplied"
    CONFLICT = "another StockItem owns the SKU"
    DELETING = "deletion waits for reservations"
    RELEASED = "the item does not own the row, or no longer does: the item can be deleted"
    DIVERGENT = "the row has to be written (again)"


def assess(item: StockItem, saldo: Saldo | None) -> Outcome:
    """Compares a StockItem with the row of its SKU; `saldo` is None when there is no row."""
    owned = saldo is not None and saldo.dono == item.key.dono
    if saldo is None or saldo.dono is None or (item.ending and not owned):
        return Outcome.RELEASED if item.ending else Outcome.DIVERGENT
    if not owned:
        return Outcome.CONFLICT
    if item.ending:
        return Outcome.DELETING if saldo.situacao == "Encerrando" else Outcome.DIVERGENT
    if not _as_declared(item, saldo):
        return Outcome.DIVERGENT
    if saldo.quantidade > saldo.alvo:
        return Outcome.BELOW_COMMITTED
    return Outcome.SYNCED


def awaits_database(item: StockItem, status: Status | None) -> bool:
    """Whether, according to the item's status, PostgreSQL has not yet received its latest change."""
    return status is None or status.generation != item.generation or item.deleting


def abandoned(saldo: Saldo) -> StockItem:
    """The deleted StockItem that still owns this row, which is being released (`Encerrando`)."""
    return StockItem(
        key=ItemKey.from_dono(saldo.dono or ""),
        uid="",
        version=0,
        generation=0,
        sku=saldo.sku,
        nome=saldo.nome or "",
        quantidade=saldo.alvo,
        paused=False,
        limite_baixo=saldo.limite_baixo,
        gone=True,
    )


def _as_declared(item: StockItem, saldo: Saldo) -> bool:
    return (
        saldo.alvo == item.quantidade
        and saldo.situacao == _SITUACAO[item.paused]
        and saldo.limite_baixo == item.limite_baixo
        and saldo.nome in {None, item.nome}
    )
