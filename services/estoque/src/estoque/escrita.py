"""What a decided batch writes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from estoque.pedido import Decisao, Fato, Movimento, Pedido
from reservaestoque.events import Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_json = msgspec.json.Encoder()


async def gravar(
    connection: Connection, decisao: Decisao, conhecidos: Mapping[UUID, Pedido], agora: datetime
) -> None:
    """Writes a decision and its facts. The caller holds the locks of the orders `conhecidos` and of all stock rows.

    Raises UniqueViolationError when an order that we took for new has become known meanwhile.
    """
    novos = [p for chave, p in decisao.pedidos.items() if chave not in conhecidos]
    mudados = [p for chave, p in decisao.pedidos.items() if chave in conhecidos]
    antigos = [chave for chave in decisao.linhas_mudadas if chave in conhecidos]
    if mudados:
        await connection.execute(_sql["atualizar_pedidos"], *_snapshots(mudados), agora)
    if antigos:
        await connection.execute(_sql["apagar_linhas"], antigos)
    recusas = [(fato.causa, fato.recusa) for fato in decisao.fatos if fato.recusa]
    if recusas:
        await connection.execute(_sql["anotar_recusas"], *zip(*recusas, strict=True))
    if decisao.fatos:
        await connection.execute(
            _sql["gravar_lote"],
            agora,
            *_snapshots(novos),
            [_texto(pedido.itens) for pedido in novos],
            *_movimentos(decisao.movimentos),
            *_linhas([decisao.pedidos[chave] for chave in decisao.linhas_mudadas], agora),
            *_fatos(decisao.fatos),
        )


def _movimentos(movimentos: Mapping[str, Movimento]) -> tuple[list[Any], ...]:
    skus = sorted(movimentos)
    return skus, [movimentos[sku].reservado for sku in skus], [movimentos[sku].vendido for sku in skus]


def _linhas(pedidos: Iterable[Pedido], agora: datetime) -> tuple[list[Any], ...]:
    linhas = [
        (pedido.id, sku, quantidade, pedido.expira_em or agora, pedido.status == Status.FECHADO)
        for pedido in pedidos
        for sku, quantidade in pedido.linhas.items()
    ]
    return tuple(map(list, zip(*linhas, strict=True))) or ([], [], [], [], [])


def _snapshots(pedidos: Sequence[Pedido]) -> tuple[list[Any], ...]:
    """What changes about an order, and what a fact tells of it: not its items, which never change."""
    return (
        [p.id for p in pedidos],
        [p.status.value for p in pedidos],
        [p.versao for p in pedidos],
        [_texto(p.itens_em_falta) for p in pedidos],
        [p.expira_em for p in pedidos],
    )


def _fatos(fatos: Sequence[Fato]) -> tuple[list[Any], ...]:
    return (
        *_snapshots([fato.pedido for fato in fatos]),
        [fato.causa for fato in fatos],
        [fato.recusa for fato in fatos],
        [fato.traceparent for fato in fatos],
    )


def _texto(valor: object) -> str:
    return _json.encode(valor).decode()
