"""Orders and commands in PostgreSQL. Every function raises what asyncpg raises."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from pedidos.command import NewCommand
from pedidos.pedido import MAX_PAGE_LINES, Pedido
from reservaestoque.events import AtualizarStatus, Item, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.postgres import READ_SECONDS, Connection, Queries, Reader

_sql = Queries("pedidos")
_json = msgspec.json.Encoder()
_LAST = UUID(int=(1 << 128) - 1)
_decode_items = msgspec.json.Decoder(list[Item]).decode
_decode_missing = msgspec.json.Decoder(list[ItemEmFalta]).decode

Scope = tuple[str, str, str]
OrderKey = tuple[UUID, str | None]
"""An order's id and the customer it must belong to; None accepts any customer."""


class Outcome(NamedTuple):
    """Whether a command has been answered, why it was refused if it was, and its order as it is now."""

    answered: bool
    recusa: str | None
    pedido: Pedido


class KeyOwner(NamedTuple):
    """The request for which an idempotency key was claimed."""

    body_hash: bytes
    pedido_id: UUID
    command_id: UUID


class Page(NamedTuple):
    """Orders of a list, and whether others follow."""

    orders: list[Pedido]
    more: bool


class Written(NamedTuple):
    """The instant at which commands were written, and their row in the outbox."""

    criado_em: datetime
    outbox: int


async def insert(
    connection: "Connection | asyncpg.Pool[Any]", commands: Sequence[NewCommand], resend_after: timedelta
) -> Written:
    """Writes these commands and their new orders, in one statement."""
    new = [c for c in commands if c.itens is not None]
    others = [c for c in commands if c.itens is None]
    row = await connection.fetchrow(
        _sql["insert_comandos"],
        [n.pedido_id for n in new],
        [n.cliente_id for n in new],
        [_text(n.itens) for n in new],
        [n.traceparent for n in new],
        [o.id for o in others],
        [o.pedido_id for o in others],
        [o.tipo for o in others],
        [o.traceparent for o in others],
        [o.se_versao for o in others],
        resend_after,
    )
    return Written(row["criado_em"], row["outbox"])


async def claim_keys(connection: Connection, commands: Sequence[NewCommand]) -> dict[Scope, KeyOwner]:
    """Claims the keys of these commands; returns the request of each key, including keys claimed earlier.

    A key that another session is claiming is missing.
    """
    keyed = [(c, c.key) for c in commands if c.key is not None]
    keys = [key for _, key in keyed]
    found: dict[Scope, KeyOwner] = {}
    free = {key.scope for key in keys}
    # A key that exists when it is claimed may be purged before it is read. Then it can be claimed after all.
    while not free <= found.keys():
        rows = await connection.fetch(
            _sql["claim_keys"],
            *zip(*(key.scope for key in keys), strict=True),
            [key.body_hash for key in keys],
            [c.pedido_id for c, _ in keyed],
            [c.id for c, _ in keyed],
        )
        found = dict(_key_owner(row) for row in rows if row["comando_id"] is not None)
        free = {_scope(row) for row in rows if not row["busy"]}
        others = [scope for scope in free if scope not in found]
        if others:
            found |= await key_owners(connection, sorted(others))
    return found


async def key_owners(connection: "Connection | asyncpg.Pool[Any]", scopes: Sequence[Scope]) -> dict[Scope, KeyOwner]:
    """The requests that claimed these keys; unknown keys are missing."""
    rows = await connection.fetch(_sql["read_keys"], *zip(*scopes, strict=True))
    return dict(map(_key_owner, rows))


def _key_owner(row: asyncpg.Record) -> tuple[Scope, KeyOwner]:
    return _scope(row), KeyOwner(row["corpo"], row["pedido_id"], row["comando_id"])


def _scope(row: asyncpg.Record) -> Scope:
    return row["cliente_id"], row["caminho"], row["chave"]


async def orders(pool: "asyncpg.Pool[Any]", keys: Sequence[OrderKey]) -> dict[OrderKey, Pedido]:
    """These orders; those that are unknown or belong to another customer are missing."""
    rows = await pool.fetch(_sql["get_pedidos"], *zip(*keys, strict=True), timeout=READ_SECONDS)
    return {(row["id"], row["wanted_cliente"]): _pedido(row) for row in rows}


async def page(
    reader: Reader, cliente_id: str | None, status: Status | None, before: UUID | None, limit: int
) -> Page:
    """Up to `limit` orders with an id below `before`, the newest first; fewer, if they have MAX_PAGE_LINES."""
    filters = [filter_ for filter_ in (cliente_id, status) if filter_ is not None]
    rows = await reader.fetch(_page(cliente_id, status), before or _LAST, limit + 1, MAX_PAGE_LINES, *filters)
    fitting = [row for row in rows if row["fits"]][:limit]
    return Page([_pedido(row) for row in fitting], len(rows) > len(fitting))


def _page(cliente_id: str | None, status: Status | None) -> str:
    if cliente_id is None:
        return _sql["list_pedidos" if status is None else "list_by_status"]
    return _sql["list_by_cliente" if status is None else "list_by_cliente_and_status"]


async def outcomes(pool: "asyncpg.Pool[Any]", commands: Sequence[UUID]) -> dict[UUID, Outcome]:
    """The outcomes of these commands; unknown and purged ones are missing."""
    rows = await pool.fetch(_sql["get_comandos"], commands, timeout=READ_SECONDS)
    return {row["comando_id"]: Outcome(row["answered"], row["recusa"], _pedido(row)) for row in rows}


async def apply(
    pool: "asyncpg.Pool[Any]", events: Sequence[AtualizarStatus], resend_after: timedelta
) -> tuple[int, set[UUID]]:
    """Applies the newest snapshot of each order where it is newer than the stored one, and records answers.

    Schedules a follow-up on each reservation, `resend_after` after its expiry, in case the expiry notice gets lost,
    and a resend of each creation that another command has overtaken, `resend_after` from now.

    Returns the number of snapshots applied, and the unknown orders.
    """
    snapshots = newest(events)
    answers = {e.data.causa: e.data for e in events if e.data.causa is not None}
    row = await pool.fetchrow(
        _sql["apply_status"],
        [n.pedido_id for n in snapshots],
        [n.status.value for n in snapshots],
        [n.versao for n in snapshots],
        [_text(n.itens_em_falta) for n in snapshots],
        [n.expira_em for n in snapshots],
        [n.causa for n in snapshots],
        resend_after,
        list(answers),
        [r.recusa for r in answers.values()],
        [r.pedido_id for r in answers.values()],
        [n.recusa for n in snapshots],
    )
    return row["applied"], {n.pedido_id for n in snapshots} - set(row["known_ids"])


async def locked_orders(pool: "asyncpg.Pool[Any]", ids: Sequence[UUID]) -> set[UUID]:
    """The orders among these that another session has locked."""
    return {row["id"] for row in await pool.fetch(_sql["blocked"], ids)}


def newest(events: Sequence[AtualizarStatus]) -> list[StatusAtualizado]:
    """The snapshot with the highest version of each order."""
    found: dict[UUID, StatusAtualizado] = {}
    for event in events:
        known = found.get(event.data.pedido_id)
        if known is None or event.data.versao > known.versao:
            found[event.data.pedido_id] = event.data
    return list(found.values())


def _pedido(row: asyncpg.Record) -> Pedido:
    return Pedido(
        pedido_id=row["id"],
        cliente_id=row["cliente_id"],
        status=Status(row["status"]),
        itens=_decode_items(row["itens"]),
        itens_em_falta=_decode_missing(row["itens_em_falta"]),
        criado_em=row["criado_em"],
        atualizado_em=row["atualizado_em"],
        expira_em=row["expira_em"],
        versao=row["versao"],
    )


def _text(value: object) -> str:
    return _json.encode(value).decode()
