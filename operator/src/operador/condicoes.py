"""Decides the status of a StockItem. Pure: the previous status and the instant are arguments."""

from msgspec.structs import replace

from operador.decisao import Desfecho
from operador.saldo import Saldo
from operador.stockitem import Condicao, Status, StockItem

SYNCED, AVAILABLE, LOW_STOCK = "Synced", "Available", "LowStock"


def status_de_saldo(item: StockItem, saldo: Saldo, desfecho: Desfecho, anterior: Status | None, agora: str) -> Status:
    """The status of an item whose SKU has this row. `agora` is RFC 3339.

    A row that belongs to another StockItem gives no numbers: they are not this item's.
    """
    condicoes = [_synced(item, saldo, desfecho), _available(item, saldo, desfecho), _low_stock(item, saldo, desfecho)]
    status = Status(sku=item.sku, geracao=item.geracao, condicoes=_datar(condicoes, anterior, agora))
    if desfecho is Desfecho.CONFLITO:
        return status
    return replace(
        status,
        quantidade=saldo.quantidade,
        disponivel=0 if item.encerrar else saldo.disponivel,
        reservado=saldo.reservado,
        vendido=saldo.vendido,
        em_maos=saldo.quantidade - saldo.vendido,
    )


def status_sem_resposta(item: StockItem, anterior: Status | None, motivo: str, mensagem: str, agora: str) -> Status:
    """The status of an item that could not be synchronised: what was known of its units stays."""
    synced = Condicao(SYNCED, "False", motivo, mensagem, item.geracao, agora)
    mantidas = [c for c in (anterior.condicoes if anterior else ()) if c.tipo != SYNCED]
    base = anterior or Status(sku=item.sku, geracao=item.geracao, condicoes=())
    condicoes = (*_datar([synced], anterior, agora), *mantidas)
    return replace(base, sku=item.sku, geracao=item.geracao, condicoes=condicoes)


def _datar(novas: list[Condicao], anterior: Status | None, agora: str) -> tuple[Condicao, ...]:
    """lastTransitionTime moves only when the condition's status does."""
    antes = {c.tipo: c for c in (anterior.condicoes if anterior else ())}

    def desde(nova: Condicao) -> str:
        velha = antes.get(nova.tipo)
        return velha.desde if velha is not None and velha.status == nova.status else agora

    return tuple(replace(nova, desde=desde(nova)) for nova in novas)


def _synced(item: StockItem, saldo: Saldo, desfecho: Desfecho) -> Condicao:
    match desfecho:
        case Desfecho.CONFLITO:
            return _condicao(item, SYNCED, False, "SkuConflict", f"SKU {item.sku} belongs to StockItem {saldo.dono}")
        case Desfecho.ENCERRANDO:
            mensagem = f"Deletion waits for {_unidades(saldo.reservado)} in live reservations"
            return _condicao(item, SYNCED, False, "Deleting", mensagem)
        case Desfecho.ABAIXO_DO_COMPROMETIDO:
            return _condicao(item, SYNCED, False, "BelowCommitted", _abaixo(item, saldo))
        case _:
            mensagem = f"Supply of {_unidades(saldo.quantidade)} is in force"
            return _condicao(item, SYNCED, True, "Synced", mensagem)


def _abaixo(item: StockItem, saldo: Saldo) -> str:
    return (
        f"spec.quantity is {item.quantidade}, but {saldo.quantidade} are committed ({saldo.reservado} reserved, "
        f"{saldo.vendido} sold): no new reservations; supply falls with each release"
    )


def _available(item: StockItem, saldo: Saldo, desfecho: Desfecho) -> Condicao:
    if desfecho is Desfecho.CONFLITO:
        return _condicao(item, AVAILABLE, False, "SkuConflict", "Another StockItem supplies this SKU")
    if desfecho is Desfecho.ENCERRANDO:
        return _condicao(item, AVAILABLE, False, "Deleting", "No new reservations: the StockItem is being deleted")
    if item.pausado:
        return _condicao(item, AVAILABLE, False, "Paused", "No new reservations: spec.paused is true")
    if saldo.disponivel == 0:
        return _condicao(item, AVAILABLE, False, "OutOfStock", "No unit is available")
    return _condicao(item, AVAILABLE, True, "InStock", "Units can be reserved")


def _low_stock(item: StockItem, saldo: Saldo, desfecho: Desfecho) -> Condicao:
    if desfecho is Desfecho.CONFLITO or item.encerrar:
        return _condicao(item, LOW_STOCK, False, "NotSupplied", "This StockItem supplies nothing")
    if item.limite_baixo is None:
        return _condicao(item, LOW_STOCK, False, "NoThreshold", "spec.lowStockThreshold is not set")
    if saldo.disponivel <= item.limite_baixo:
        mensagem = f"{_unidades(item.limite_baixo)} or fewer are available"
        return _condicao(item, LOW_STOCK, True, "AtOrBelowThreshold", mensagem)
    mensagem = f"More than {_unidades(item.limite_baixo)} are available"
    return _condicao(item, LOW_STOCK, False, "AboveThreshold", mensagem)


def _condicao(item: StockItem, tipo: str, verdade: bool, motivo: str, mensagem: str) -> Condicao:
    return Condicao(tipo, str(verdade), motivo, mensagem, item.geracao, "")


def _unidades(n: int) -> str:
    return "1 unit" if n == 1 else f"{n} units"
