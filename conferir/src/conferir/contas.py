"""The rules of estoque's ledger. Pure: no I/O, the instant is an argument."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from conferir.pedido import Pedido
from conferir.violacao import Regra, Violacao
from reservaestoque.events import Status

_ler_itens = msgspec.json.Decoder(dict[str, int]).decode


class Sku(NamedTuple):
    """A stock row, and what its lines add up to: units held and units sold."""

    sku: str
    alvo: int
    quantidade: int
    reservado: int
    vendido: int
    arquivado: int
    presas: int
    vendidas: int


class Linha(NamedTuple):
    """Units that an order holds or has bought; `conhecido` unless there is no stock row for the SKU."""

    pedido_id: UUID
    sku: str
    quantidade: int
    expira_em: datetime
    vendida: bool
    conhecido: bool


def conferir_sku(s: Sku) -> Iterator[Violacao]:
    """What is wrong with a stock row."""
    if s.reservado + s.vendido > s.quantidade or s.quantidade != max(s.alvo, s.reservado + s.vendido):
        yield Violacao(
            Regra.SUPRIMENTO,
            s.sku,
            f"{s.reservado} reserved and {s.vendido} sold of a supply of {s.quantidade}, of which {s.alvo} declared",
        )
    if (s.reservado, s.vendido - s.arquivado) != (s.presas, s.vendidas):
        yield Violacao(
            Regra.CONTADORES,
            s.sku,
            f"{s.reservado} reserved, {s.vendido} sold ({s.arquivado} of them archived), "
            f"but the lines hold {s.presas} and have sold {s.vendidas}",
        )


def conferir_pedido(
    pedido_id: UUID, pedido: Pedido | None, linhas: Sequence[Linha], agora: datetime
) -> Iterator[Violacao]:
    """What is wrong with the lines of an order, which is None when there are lines only.

    A reservation whose time is over may have lost any of its lines: who needed the units took them.
    """

    def errada(detalhe: str) -> Violacao:
        return Violacao(Regra.LINHAS, str(pedido_id), detalhe)

    if pedido is None:
        yield errada(f"{len(linhas)} lines of an order that there is not")
        return
    itens = _itens(pedido)
    if itens is None:
        yield errada(f"its items are no units by SKU: {pedido.itens}")
        return
    if not itens and pedido.status != Status.CANCELADO:
        yield errada(f"{pedido.status} without items")
    for linha in linhas:
        erro = _erro(linha, pedido, itens)
        if erro:
            yield errada(f"{pedido.status}: {linha.quantidade} of {linha.sku}: {erro}")
    if len(linhas) < len(itens) and _deve_ter_todas(pedido, agora):
        yield errada(f"{pedido.status}: {len(linhas)} lines for {len(itens)} items")


def _erro(linha: Linha, pedido: Pedido, itens: dict[str, int]) -> str:
    """What is wrong with a line; nothing when all is well."""
    if not linha.conhecido:
        return "there is no such SKU"
    if itens.get(linha.sku) != linha.quantidade:
        return f"the order asks for {itens.get(linha.sku, 0)}"
    if pedido.status == Status.FECHADO:
        return "" if linha.vendida else "held by an order that was closed"
    if pedido.status != Status.ESTOQUE_RESERVADO:
        return "an order that is so holds nothing"
    if linha.vendida:
        return "sold by an order that is not closed"
    return "" if linha.expira_em == pedido.expira_em else "lapses at another time than its order"


def faltam_linhas(pedido: Pedido, linhas: Sequence[Linha], agora: datetime) -> bool:
    """Whether the order has fewer lines than items although it should have a line for each at this instant."""
    itens = _itens(pedido)
    return itens is not None and len(linhas) < len(itens) and _deve_ter_todas(pedido, agora)


def _deve_ter_todas(pedido: Pedido, agora: datetime) -> bool:
    return pedido.status == Status.FECHADO or (pedido.expira_em is not None and pedido.expira_em > agora)


def _itens(pedido: Pedido) -> dict[str, int] | None:
    try:
        return _ler_itens(pedido.itens)
    except msgspec.DecodeError:
        return None
