"""One transaction for a batch: lock, read the clock, decide, write. A constant number of round trips."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from estoque.decision import decide, shortages
from estoque.pedido import Fact, Pedido, Recusa, Situacao, StockRow, sum_items
from estoque.reserve import reserve
from estoque.scarcity import Scarcity
from estoque.writes import write
from reservaestoque.events import Comando, ItemEmFalta, Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_decode_items = msgspec.json.Decoder(dict[str, int]).decode
_decode_missing = msgspec.json.Decoder(tuple[ItemEmFalta, ...]).decode


class BatchResult(NamedTuple):
    """The number of new commands, the commands older than the horizon, and those that repeat one to a purged order.

    `facts` are the answers, written at `now`; `outbox` is their row, None without facts.
    """

    new: int
    too_old: list[Comando]
    purged: list[Comando]
    facts: list[Fact]
    now: datetime
    outbox: int | None


class _Triage(NamedTuple):
    """The commands of a batch, each once: to decide, to answer again, or too old to classify."""

    new: list[Comando]
    repeated: list[Comando]
    too_old: list[Comando]


async def process(
    connection: Connection, commands: Sequence[Comando], ttl: timedelta, horizon: timedelta, scarcity: Scarcity
) -> BatchResult:
    """Decides the new commands in one transaction and repeats the answers to those seen before.

    New orders whose SKUs have enough units for all are reserved without a decision. `scarcity` learns which SKUs
    lack units. Ignores commands older than `horizon`. Raises what asyncpg raises; nothing is changed then. A
    UniqueViolationError on `pedido` means that another replica inserted one of these orders at the same time: call
    again.
    """
    reserved = await reserve(connection, commands, ttl, horizon, scarcity)
    if reserved is not None:
        return BatchResult(len(commands), [], [], *reserved)
    async with connection.transaction():
        triage = await _triage(connection, commands, horizon)
        accepted = [*triage.new, *triage.repeated]
        known = await _lock_orders(connection, {command.data.pedido_id for command in accepted})
        triage = _move_repeated(triage, known)
        stock, now = await _lock_stock(connection, triage.new, known.values())
        if triage.new:
            # In this order: the lapsed lines may belong to an order in this very batch.
            scarcity.add(await _release_lapsed(connection, triage.new, stock, now))
            known = await _with_lines(connection, known)
        decision = decide(triage.new, known, stock, now, ttl)
        scarcity.add(missing.sku for fact in decision.facts for missing in fact.pedido.itens_em_falta)
        current = {**known, **decision.pedidos}
        answerable = [c for c in triage.repeated if c.data.pedido_id in current]
        decision.facts += await _answer_again(connection, answerable, current)
        outbox = await write(connection, decision, known, now)
    purged = [c for c in triage.repeated if c.data.pedido_id not in current]
    return BatchResult(len(triage.new), triage.too_old, purged, decision.facts, now, outbox)


async def blocked_orders(pool: "asyncpg.Pool[Any]", commands: Sequence[Comando]) -> set[UUID]:
    """The orders of these commands that need a row locked by another session: their own, or that of a SKU.

    Raises what asyncpg raises.
    """
    needed = [(c.data.pedido_id, sku) for c in commands for sku in sum_items(c)]
    rows = await pool.fetch(
        _sql["blocked"],
        [c.data.pedido_id for c in commands],
        [pedido_id for pedido_id, _ in needed],
        [sku for _, sku in needed],
    )
    return {row["pedido_id"] for row in rows}


async def _triage(connection: Connection, commands: Sequence[Comando], horizon: timedelta) -> _Triage:
    unique = {command.id: command for command in commands}
    times = [command.time for command in unique.values()]
    triage = _Triage([], [], [])
    rows = {r["id"]: r for r in await connection.fetch(_sql["record_events"], list(unique), times, horizon)}
    for command_id, command in unique.items():
        row = rows[command_id]
        group = triage.too_old if row["too_old"] else triage.new if row["is_new"] else triage.repeated
        group.append(command)
    return triage


def _move_repeated(triage: _Triage, known: Mapping[UUID, Pedido]) -> _Triage:
    """Marks as repeated the commands whose order `reserve` wrote: it stores their ids there, not in the inbox."""
    seen = {pedido.creation for pedido in known.values()}
    new = [command for command in triage.new if command.id not in seen]
    return _Triage(new, [*triage.repeated, *(c for c in triage.new if c.id in seen)], triage.too_old)


async def _lock_orders(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Pedido]:
    rows = await connection.fetch(_sql["lock_pedidos"], list(ids))
    return {row["id"]: _pedido(row) for row in rows}


def _pedido(row: asyncpg.Record) -> Pedido:
    return Pedido(
        id=row["id"],
        status=Status(row["status"]),
        versao=row["versao"],
        itens=_decode_items(row["itens"]),
        itens_em_falta=_decode_missing(row["itens_em_falta"]),
        expira_em=row["expira_em"],
        atualizado_em=row["atualizado_em"],
        creation=row["criacao"],
    )


async def _lock_stock(
    connection: Connection, commands: Iterable[Comando], pedidos: Collection[Pedido]
) -> tuple[dict[str, StockRow], datetime]:
    """The stock rows of all SKUs that the commands and orders name, and the instant at which all are locked.

    The instant is no earlier than the last change of any of these rows or orders.
    """
    skus = {sku for command in commands for sku in sum_items(command)}
    skus.update(sku for pedido in pedidos for sku in pedido.itens)
    changed = [pedido.atualizado_em for pedido in pedidos if pedido.atualizado_em is not None]
    row = await connection.fetchrow(_sql["lock_estoque"], list(skus), max(changed, default=None))
    columns = (row[column] or [] for column in ("skus", "free_units", "situacoes"))
    stock = {sku: StockRow(free, Situacao(situacao)) for sku, free, situacao in zip(*columns, strict=True)}
    return stock, row["decided_at"]


async def _with_lines(connection: Connection, pedidos: Mapping[UUID, Pedido]) -> dict[UUID, Pedido]:
    lines: dict[UUID, dict[str, int]] = {}
    if pedidos:
        for row in await connection.fetch(_sql["read_lines"], list(pedidos)):
            lines.setdefault(row["pedido_id"], {})[row["sku"]] = row["quantidade"]
    return {key: replace(pedido, lines=lines.get(key, {})) for key, pedido in pedidos.items()}


async def _release_lapsed(
    connection: Connection, commands: Iterable[Comando], stock: Mapping[str, StockRow], now: datetime
) -> Collection[str]:
    """Releases lapsed units of the SKUs that the commands may lack; returns these SKUs."""
    missing = shortages(commands, stock)
    if missing:
        rows = await connection.fetch(_sql["release_lapsed"], list(missing), list(missing.values()), now)
        for row in rows:
            stock[row["sku"]].free += row["released"]
    return missing


async def _answer_again(
    connection: Connection, commands: Sequence[Comando], pedidos: Mapping[UUID, Pedido]
) -> list[Fact]:
    """A repeated command changes nothing: its answer is the current snapshot, with the original refusal."""
    if not commands:
        return []
    rows = await connection.fetch(_sql["read_recusas"], [command.id for command in commands])
    refusals = {row["evento_id"]: row["recusa"] for row in rows}
    return [Fact(pedidos[c.data.pedido_id], c.id, _recusa(refusals[c.id]), c.traceparent or None) for c in commands]


def _recusa(text: str | None) -> Recusa | None:
    return Recusa(text) if text else None
