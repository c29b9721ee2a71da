"""One transaction of a batch: lock, read the clock, decide, write. A constant number of round trips."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from estoque.decisao import decidir, faltas
from estoque.escrita import anotar, gravar
from estoque.pedido import Decisao, Fato, Pedido, Recusa, Saldo, Situacao, somar_itens
from reservaestoque.events import Comando, ItemEmFalta, Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_ler_itens = msgspec.json.Decoder(dict[str, int]).decode
_ler_faltas = msgspec.json.Decoder(tuple[ItemEmFalta, ...]).decode


async def processar(connection: Connection, comandos: Sequence[Comando], ttl: timedelta) -> int:
    """Decides the commands that are new in one transaction and repeats the snapshot of those seen before.

    Returns how many were new. Raises what asyncpg raises; nothing is changed then. A UniqueViolationError on
    `pedido` means that another replica heard of one of these orders at the same time: decide again.
    """
    async with connection.transaction():
        unicos = {comando.id: comando for comando in comandos}
        novos = {r["evento_id"] for r in await connection.fetch(_sql["registrar_eventos"], list(unicos))}
        conhecidos = await _travar_pedidos(connection, {c.data.pedido_id for c in comandos})
        a_decidir = [comando for chave, comando in unicos.items() if chave in novos]
        saldos = await _travar_estoque(connection, a_decidir, conhecidos.values())
        agora: datetime = await connection.fetchval(_sql["agora"])
        if a_decidir:
            # In this order: the lapsed lines may be those of an order in this very batch.
            await _liberar_vencidas(connection, a_decidir, saldos, agora)
            conhecidos = await _com_linhas(connection, conhecidos)
        decisao = decidir(a_decidir, conhecidos, saldos, agora, ttl)
        await gravar(connection, decisao, conhecidos, agora)
        repetidos = [c for chave, c in unicos.items() if chave not in novos]
        fatos = [*decisao.fatos, *_repetir(repetidos, conhecidos, decisao)]
        await anotar(connection, fatos, agora)
    return len(novos)


async def _travar_pedidos(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Pedido]:
    rows = await connection.fetch(_sql["travar_pedidos"], list(ids))
    return {row["id"]: _pedido(row) for row in rows}


def _pedido(row: asyncpg.Record) -> Pedido:
    return Pedido(
        id=row["id"],
        status=Status(row["status"]),
        versao=row["versao"],
        itens=_ler_itens(row["itens"]),
        itens_em_falta=_ler_faltas(row["itens_em_falta"]),
        expira_em=row["expira_em"],
        causa=row["causa"],
        recusa=Recusa(row["recusa"]) if row["recusa"] else None,
    )


async def _travar_estoque(
    connection: Connection, comandos: Iterable[Comando], pedidos: Iterable[Pedido]
) -> dict[str, Saldo]:
    skus = {sku for comando in comandos for sku in somar_itens(comando)}
    skus.update(sku for pedido in pedidos for sku in pedido.itens)
    rows = await connection.fetch(_sql["travar_estoque"], list(skus))
    return {row["sku"]: Saldo(row["livre"], Situacao(row["situacao"])) for row in rows}


async def _com_linhas(connection: Connection, pedidos: Mapping[UUID, Pedido]) -> dict[UUID, Pedido]:
    linhas: dict[UUID, dict[str, int]] = {}
    if pedidos:
        for row in await connection.fetch(_sql["ler_linhas"], list(pedidos)):
            linhas.setdefault(row["pedido_id"], {})[row["sku"]] = row["quantidade"]
    return {chave: replace(pedido, linhas=linhas.get(chave, {})) for chave, pedido in pedidos.items()}


async def _liberar_vencidas(
    connection: Connection, comandos: Iterable[Comando], saldos: Mapping[str, Saldo], agora: datetime
) -> None:
    falta = faltas(comandos, saldos)
    if not falta:
        return
    rows = await connection.fetch(_sql["liberar_vencidas"], list(falta), list(falta.values()), agora)
    for row in rows:
        saldos[row["sku"]].livre += row["liberado"]


def _repetir(comandos: Iterable[Comando], conhecidos: Mapping[UUID, Pedido], decisao: Decisao) -> list[Fato]:
    """An event that came again changes nothing and tells the order's present snapshot once more."""
    ids = {comando.data.pedido_id for comando in comandos} - decisao.pedidos.keys()
    return [Fato(conhecidos[chave], None) for chave in ids if chave in conhecidos]
