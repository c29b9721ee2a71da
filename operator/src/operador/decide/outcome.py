"""Decides what a stock row means for a StockItem."""

from enum import Enum

from operador.decide.saldo import Saldo
from operador.decide.stockitem import ItemKey, Status, StockItem

_SITUACAO = {False: "Ativo", True: "Pausado"}


class Outcome(Enum):
    """The relation between a StockItem and the row of its SKU."""

    SYNCED = "the row matches the StockItem"
    BELOW_COMMITTED = "the same, but more units are committed than supplied"
    CONFLICT = "another StockItem owns the SKU"
    DELETING = "deletion waits for reservations"
    RELEASED = "the row is not, or no longer, this item's: it can go"
    DIVERGENT = "the row has to be written (again)"


def assess(item: StockItem, saldo: Saldo | None) -> Outcome:
    """Compares a StockItem with the row of its SKU; `saldo` is None when there is no row."""
    mine = saldo is not None and saldo.dono == item.key.dono
    if saldo is None or saldo.dono is None or (item.ending and not mine):
        return Outcome.RELEASED if item.ending else Outcome.DIVERGENT
    if not mine:
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
    """The deleted StockItem whose SKU this row is about to give up (`Encerrando`)."""
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
