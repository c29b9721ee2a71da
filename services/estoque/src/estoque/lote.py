"""One transaction of a batch: lock, read the clock, decide, write. A constant number of round trips."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from estoque.decisao import decidir, faltas
from estoque.escrita import gravar
from estoque.pedido import Fato, Pedido, Recusa, Saldo, Situacao, somar_itens
from reservaestoque.events import Comando, ItemEmFalta, Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_ler_itens = msgspec.json.Decoder(dict[str, int]).decode
_ler_faltas = msgspec.json.Decoder(tuple[ItemEmFalta, ...]).decode


class Resultado(NamedTuple):
    """What became of a batch: how many commands were new, which are too old, whose orders have been forgotten."""

    novos: int
    fora_do_horizonte: list[Comando]
    esquecidos: list[Comando]


class _Triagem(NamedTuple):
    """The commands of a batch, each once: to decide, to answer again, too old to tell which."""

    novos: list[Comando]
    repetidos: list[Comando]
    velhos: list[Comando]


async def processar(
    connection: Connection, comandos: Sequence[Comando], ttl: timedelta, horizonte: timedelta
) -> Resultado:
    """Decides the commands that are new in one transaction and answers those again that were seen before.

    Commands made longer ago than `horizonte` are left alone. Raises what asyncpg raises; nothing is changed
    then. A UniqueViolationError on `pedido` means that another replica heard of one of these orders at the same
    time: decide again.
    """
    async with connection.transaction():
        triagem = await _triar(connection, comandos, horizonte)
        vistos = [*triagem.novos, *triagem.repetidos]
        conhecidos = await _travar_pedidos(connection, {comando.data.pedido_id for comando in vistos})
        saldos, agora = await _travar_estoque(connection, triagem.novos, conhecidos.values())
        if triagem.novos:
            # In this order: the lapsed lines may be those of an order in this very batch.
            await _liberar_vencidas(connection, triagem.novos, saldos, agora)
            conhecidos = await _com_linhas(connection, conhecidos)
        decisao = decidir(triagem.novos, conhecidos, saldos, agora, ttl)
        atuais = {**conhecidos, **decisao.pedidos}
        lembrados = [c for c in triagem.repetidos if c.data.pedido_id in atuais]
        decisao.fatos += await _repetir(connection, lembrados, atuais)
        await gravar(connection, decisao, conhecidos, agora)
    esquecidos = [c for c in triagem.repetidos if c.data.pedido_id not in atuais]
    return Resultado(len(triagem.novos), triagem.velhos, esquecidos)


async def bloqueados(pool: "asyncpg.Pool[Any]", comandos: Sequence[Comando]) -> set[UUID]:
    """Which of the orders of these commands need a row that somebody else holds at this moment: theirs, or a SKU's.

    Raises what asyncpg raises.
    """
    precisos = [(c.data.pedido_id, sku) for c in comandos for sku in somar_itens(c)]
    rows = await pool.fetch(
        _sql["bloqueados"],
        [c.data.pedido_id for c in comandos],
        [pedido_id for pedido_id, _ in precisos],
        [sku for _, sku in precisos],
    )
    return {row["pedido_id"] for row in rows}


async def _triar(connection: Connection, comandos: Sequence[Comando], horizonte: timedelta) -> _Triagem:
    unicos = {comando.id: comando for comando in comandos}
    tempos = [comando.time for comando in unicos.values()]
    triagem = _Triagem([], [], [])
    respostas = {
        r["id"]: r for r in await connection.fetch(_sql["registrar_eventos"], list(unicos), tempos, horizonte)
    }
    for chave, comando in unicos.items():
        resposta = respostas[chave]
        destino = triagem.velhos if resposta["velho"] else triagem.novos if resposta["novo"] else triagem.repetidos
        destino.append(comando)
    return triagem


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
        atualizado_em=row["atualizado_em"],
    )


async def _travar_estoque(
    connection: Connection, comandos: Iterable[Comando], pedidos: Collection[Pedido]
) -> tuple[dict[str, Saldo], datetime]:
    """The stock rows of all SKUs that these name, and the instant at which all of them are locked.

    That is no earlier than the last change of any of them, or of the orders.
    """
    skus = {sku for comando in comandos for sku in somar_itens(comando)}
    skus.update(sku for pedido in pedidos for sku in pedido.itens)
    mudados = [pedido.atualizado_em for pedido in pedidos if pedido.atualizado_em is not None]
    row = await connection.fetchrow(_sql["travar_estoque"], list(skus), max(mudados, default=None))
    colunas = (row[coluna] or [] for coluna in ("skus", "livres", "situacoes"))
    saldos = {sku: Saldo(livre, Situacao(situacao)) for sku, livre, situacao in zip(*colunas, strict=True)}
    return saldos, row["agora"]


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


async def _repetir(connection: Connection, comandos: Sequence[Comando], pedidos: Mapping[UUID, Pedido]) -> list[Fato]:
    """A command that came again changes nothing: it is told the present snapshot, and what it was told then."""
    if not comandos:
        return []
    rows = await connection.fetch(_sql["ler_recusas"], [comando.id for comando in comandos])
    recusas = {row["evento_id"]: row["recusa"] for row in rows}
    return [Fato(pedidos[c.data.pedido_id], c.id, _recusa(recusas[c.id]), c.traceparent or None) for c in comandos]


def _recusa(texto: str | None) -> Recusa | None:
    return Recusa(texto) if texto else None
