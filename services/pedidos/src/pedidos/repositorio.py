"""Orders and commands in PostgreSQL. Every function raises what asyncpg raises."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from pedidos.comando import NovoComando
from pedidos.pedido import Pedido
from reservaestoque.events import AtualizarStatus, Item, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.postgres import READ_SECONDS, Connection, Queries, Reader

_sql = Queries("pedidos")
_json = msgspec.json.Encoder()
_ULTIMO = UUID(int=(1 << 128) - 1)
_ler_itens = msgspec.json.Decoder(list[Item]).decode
_ler_faltas = msgspec.json.Decoder(list[ItemEmFalta]).decode

Escopo = tuple[str, str, str]


class Andamento(NamedTuple):
    """Whether a command has been answered, why it was refused if it was, and its order as it is now."""

    respondido: bool
    recusa: str | None
    pedido: Pedido


class Dono(NamedTuple):
    """What an idempotency key stands for."""

    corpo: bytes
    pedido_id: UUID
    comando_id: UUID


async def registrar(
    connection: "Connection | asyncpg.Pool[Any]", comandos: Sequence[NovoComando], reenviar_apos: timedelta
) -> dict[UUID, datetime]:
    """Writes these commands and their new orders, in one statement; returns when each new order was created."""
    novos = [c for c in comandos if c.itens is not None]
    rows = await connection.fetch(
        _sql["registrar"],
        [n.pedido_id for n in novos],
        [n.cliente_id for n in novos],
        [_texto(n.itens) for n in novos],
        [c.id for c in comandos],
        [c.pedido_id for c in comandos],
        [c.tipo for c in comandos],
        [c.traceparent for c in comandos],
        [c.se_versao for c in comandos],
        reenviar_apos,
    )
    return {row["id"]: row["criado_em"] for row in rows}


async def reivindicar(connection: Connection, comandos: Sequence[NovoComando]) -> dict[Escopo, Dono]:
    """Claims the keys of these commands; returns what each key stands for now, whoever claimed it.

    A key that somebody else is claiming at this moment is missing.
    """
    com_chave = [(c, c.chave) for c in comandos if c.chave is not None]
    chaves = [chave for _, chave in com_chave]
    achados: dict[Escopo, Dono] = {}
    livres = {chave.escopo for chave in chaves}
    # A key that exists when it is claimed may be purged before it is read: then it can be claimed after all.
    while not livres <= achados.keys():
        vistas = await connection.fetch(
            _sql["reivindicar_chaves"],
            *zip(*(chave.escopo for chave in chaves), strict=True),
            [chave.corpo for chave in chaves],
            [c.pedido_id for c, _ in com_chave],
            [c.id for c, _ in com_chave],
        )
        achados = dict(_dono(vista) for vista in vistas if vista["comando_id"] is not None)
        livres = {_escopo(vista) for vista in vistas if not vista["ocupada"]}
        alheias = [escopo for escopo in livres if escopo not in achados]
        if alheias:
            achados |= await donos(connection, sorted(alheias))
    return achados


async def donos(connection: "Connection | asyncpg.Pool[Any]", escopos: Sequence[Escopo]) -> dict[Escopo, Dono]:
    """What keys stand for; those that are unknown are missing."""
    rows = await connection.fetch(_sql["ler_chaves"], *zip(*escopos, strict=True))
    return dict(map(_dono, rows))


def _dono(row: asyncpg.Record) -> tuple[Escopo, Dono]:
    return _escopo(row), Dono(row["corpo"], row["pedido_id"], row["comando_id"])


def _escopo(row: asyncpg.Record) -> Escopo:
    return row["cliente_id"], row["caminho"], row["chave"]


async def obter(pool: "asyncpg.Pool[Any]", ids: Sequence[UUID]) -> dict[UUID, Pedido]:
    """These orders; those that there are not are missing."""
    rows = await pool.fetch(_sql["obter_pedidos"], ids, timeout=READ_SECONDS)
    return {row["id"]: _pedido(row) for row in rows}


async def listar(
    leitor: Reader, cliente_id: str | None, status: Status | None, antes_de: UUID | None, limite: int
) -> list[Pedido]:
    """Up to `limite` orders with an id below `antes_de`, the newest first."""
    filtros = [filtro for filtro in (cliente_id, status) if filtro is not None]
    rows = await leitor.fetch(_listar(cliente_id, status), antes_de or _ULTIMO, limite, *filtros)
    return [_pedido(row) for row in rows]


def _listar(cliente_id: str | None, status: Status | None) -> str:
    if cliente_id is None:
        return _sql["listar_pedidos" if status is None else "listar_por_status"]
    return _sql["listar_por_cliente" if status is None else "listar_por_cliente_e_status"]


async def andamentos(pool: "asyncpg.Pool[Any]", comandos: Sequence[UUID]) -> dict[UUID, Andamento]:
    """What has become of these commands; those that are unknown, or forgotten, are missing."""
    rows = await pool.fetch(_sql["obter_comandos"], comandos, timeout=READ_SECONDS)
    return {row["comando_id"]: Andamento(row["respondido"], row["recusa"], _pedido(row)) for row in rows}


async def aplicar(
    pool: "asyncpg.Pool[Any]", eventos: Sequence[AtualizarStatus], perguntar_apos: timedelta
) -> tuple[int, set[UUID]]:
    """Applies the newest snapshot of each order where it is newer than what the order says, and notes answers.

    Of a reservation it is asked `perguntar_apos` after its time, should no word have come by then.

    Returns how many snapshots were applied and which orders there are not.
    """
    novas = mais_novas(eventos)
    respostas = {e.data.causa: e.data for e in eventos if e.data.causa is not None}
    row = await pool.fetchrow(
        _sql["aplicar_status"],
        [n.pedido_id for n in novas],
        [n.status.value for n in novas],
        [n.versao for n in novas],
        [_texto(n.itens_em_falta) for n in novas],
        [n.expira_em for n in novas],
        [n.causa for n in novas],
        perguntar_apos,
        list(respostas),
        [r.recusa for r in respostas.values()],
        [r.pedido_id for r in respostas.values()],
        [n.recusa for n in novas],
    )
    return row["mudados"], {n.pedido_id for n in novas} - set(row["conhecidos"])


async def bloqueados(pool: "asyncpg.Pool[Any]", ids: Sequence[UUID]) -> set[UUID]:
    """Which of these orders somebody else holds at this moment."""
    return {row["id"] for row in await pool.fetch(_sql["bloqueados"], ids)}


def mais_novas(eventos: Sequence[AtualizarStatus]) -> list[StatusAtualizado]:
    """Of each order the snapshot with the highest version."""
    novas: dict[UUID, StatusAtualizado] = {}
    for evento in eventos:
        outra = novas.get(evento.data.pedido_id)
        if outra is None or evento.data.versao > outra.versao:
            novas[evento.data.pedido_id] = evento.data
    return list(novas.values())


def _pedido(row: asyncpg.Record) -> Pedido:
    return Pedido(
        pedido_id=row["id"],
        cliente_id=row["cliente_id"],
        status=Status(row["status"]),
        itens=_ler_itens(row["itens"]),
        itens_em_falta=_ler_faltas(row["itens_em_falta"]),
        criado_em=row["criado_em"],
        atualizado_em=row["atualizado_em"],
        expira_em=row["expira_em"],
        versao=row["versao"],
    )


def _texto(valor: object) -> str:
    return _json.encode(valor).decode()
