"""Decides what a stock row means for a StockItem. Pure."""

from enum import Enum

from operador.saldo import Saldo
from operador.stockitem import Status, StockItem

_SITUACAO_DE_PAUSADO = {False: "Ativo", True: "Pausado"}


class Desfecho(Enum):
    """How things stand between a StockItem and the row of its SKU."""

    SINCRONIZADO = "the row says what the StockItem says"
    ABAIXO_DO_COMPROMETIDO = "the same, but more units are committed than supplied"
    CONFLITO = "another StockItem owns the SKU"
    ENCERRANDO = "deletion waits for reservations"
    LIVRE = "the row is not, or no longer, this item's: it can go"
    DIVERGENTE = "the row has to be written (again)"


def avaliar(item: StockItem, saldo: Saldo | None) -> Desfecho:
    """Compares a StockItem with the row of its SKU; `saldo` is None when there is no row."""
    meu = saldo is not None and saldo.dono == item.chave.dono
    if saldo is None or saldo.dono is None or (item.encerrar and not meu):
        return Desfecho.LIVRE if item.encerrar else Desfecho.DIVERGENTE
    if not meu:
        return Desfecho.CONFLITO
    if item.encerrar:
        return Desfecho.ENCERRANDO if saldo.situacao == "Encerrando" else Desfecho.DIVERGENTE
    if not _igual(item, saldo):
        return Desfecho.DIVERGENTE
    if saldo.quantidade > saldo.alvo:
        return Desfecho.ABAIXO_DO_COMPROMETIDO
    return Desfecho.SINCRONIZADO


def espera_o_banco(item: StockItem, status: Status | None) -> bool:
    """Whether PostgreSQL has yet to hear something of this item, as far as its status tells."""
    return status is None or status.geracao != item.geracao or item.excluindo


def _igual(item: StockItem, saldo: Saldo) -> bool:
    return (
        saldo.alvo == item.quantidade
        and saldo.situacao == _SITUACAO_DE_PAUSADO[item.pausado]
        and saldo.limite_baixo == item.limite_baixo
        and saldo.nome in {None, item.nome}
    )
