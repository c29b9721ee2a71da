"""What a decided batch writes, one statement a table."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from estoque.pedido import Decisao, Fato, Pedido
from reservaestoque.events import Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_json = msgspec.json.Encoder()


async def gravar(
    connection: Connection, decisao: Decisao, conhecidos: Mapping[UUID, Pedido], agora: datetime
) -> None:
    """Writes a decision: orders by id, then stock rows, then lines. The caller holds the locks of all of them.

    Raises UniqueViolationError when an order that we took for new has become known meanwhile.
    """
    novos = [p for chave, p in decisao.pedidos.items() if chave not in conhecidos]
    mudados = [p for chave, p in decisao.pedidos.items() if chave in conhecidos]
    if novos:
        await connection.execute(_sql["inserir_pedidos"], *_colunas(novos), agora)
    if mudados:
        await connection.execute(_sql["atualizar_pedidos"], *_colunas(mudados), agora)
    if decisao.movimentos:
        skus = sorted(decisao.movimentos)
        movimentos = [decisao.movimentos[sku] for sku in skus]
        await connection.execute(
            _sql["movimentar_estoque"],
            skus,
            [m.reservado for m in movimentos],
            [m.vendido for m in movimentos],
            agora,
        )
    antigos = [chave for chave in decisao.linhas_mudadas if chave in conhecidos]
    if antigos:
        await connection.execute(_sql["apagar_linhas"], antigos)
    linhas = _linhas([decisao.pedidos[chave] for chave in decisao.linhas_mudadas], agora)
    if linhas:
        await connection.execute(_sql["inserir_linhas"], *zip(*linhas, strict=True))


def _linhas(pedidos: Iterable[Pedido], agora: datetime) -> list[tuple[UUID, str, int, datetime, bool]]:
    return [
        (pedido.id, sku, quantidade, pedido.expira_em or agora, pedido.status == Status.FECHADO)
        for pedido in pedidos
        for sku, quantidade in pedido.linhas.items()
    ]


def _colunas(pedidos: Sequence[Pedido]) -> tuple[list[Any], ...]:
    return (
        [p.id for p in pedidos],
        [p.status.value for p in pedidos],
        [p.versao for p in pedidos],
        [_texto(p.itens) for p in pedidos],
        [_texto(p.itens_em_falta) for p in pedidos],
        [p.expira_em for p in pedidos],
    )


async def anotar(connection: Connection, fatos: Sequence[Fato], agora: datetime) -> None:
    """Writes facts into the outbox."""
    if not fatos:
        return
    ids, status, versoes, _, em_falta, expira_em = _colunas([fato.pedido for fato in fatos])
    await connection.execute(
        _sql["anotar_fatos"],
        ids,
        status,
        versoes,
        em_falta,
        expira_em,
        [fato.causa for fato in fatos],
        [fato.recusa for fato in fatos],
        [fato.traceparent for fato in fatos],
        agora,
    )
    recusas = [(fato.causa, fato.recusa) for fato in fatos if fato.recusa]
    if recusas:
        await connection.execute(_sql["anotar_recusas"], *zip(*recusas, strict=True))


def _texto(valor: object) -> str:
    return _json.encode(valor).decode()
