"""Writes a decided batch to the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from estoque.pedido import Decision, Fact, Pedido, StockMovement
from reservaestoque.events import Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_json = msgspec.json.Encoder()


async def write(
    connection: Connection, decision: Decision, known: Mapping[UUID, Pedido], now: datetime
) -> int | None:
    """Writes a decision and its facts; returns the row of the facts in the outbox, None without facts.

    The caller holds the locks of the orders in `known` and of all stock rows.

    Raises UniqueViolationError when another transaction has inserted an order that was new to this one.
    """
    changed = [p for key, p in decision.pedidos.items() if key in known]
    replaced = [key for key in decision.changed_lines if key in known]
    if changed:
        await connection.execute(_sql["update_pedidos"], *_snapshots(changed), now)
    if replaced:
        await connection.execute(_sql["delete_lines"], replaced)
    refusals = [(fact.causa, fact.recusa) for fact in decision.facts if fact.recusa]
    if refusals:
        await connection.execute(_sql["record_recusas"], *zip(*refusals, strict=True))
    if not decision.facts:
        return None
    row: int = await connection.fetchval(
        _sql["write_batch"],
        now,
        *_facts(decision.facts, known),
        *_movements(decision.movements),
        *_lines([decision.pedidos[key] for key in decision.changed_lines], now),
    )
    return row


def _movements(movements: Mapping[str, StockMovement]) -> tuple[list[Any], ...]:
    skus = sorted(movements)
    return skus, [movements[sku].reservado for sku in skus], [movements[sku].vendido for sku in skus]


def _lines(pedidos: Iterable[Pedido], now: datetime) -> tuple[list[Any], ...]:
    lines = [
        (pedido.id, sku, quantidade, pedido.expira_em or now, pedido.status == Status.FECHADO)
        for pedido in pedidos
        for sku, quantidade in pedido.lines.items()
    ]
    return tuple(map(list, zip(*lines, strict=True))) or ([], [], [], [], [])


def _snapshots(pedidos: Sequence[Pedido]) -> tuple[list[Any], ...]:
    """The fields of an order that change, which are also those that a fact carries: not its items."""
    return (
        [p.id for p in pedidos],
        [p.status.value for p in pedidos],
        [p.versao for p in pedidos],
        [_text(p.itens_em_falta) for p in pedidos],
        [p.expira_em for p in pedidos],
    )


def _facts(facts: Sequence[Fact], known: Mapping[UUID, Pedido]) -> tuple[list[Any], ...]:
    """The last fact of an order that is not known yet carries its items."""
    last = {fact.pedido.id: fact for fact in facts if fact.pedido.id not in known}
    return (
        *_snapshots([fact.pedido for fact in facts]),
        [_text(fact.pedido.itens) if last.get(fact.pedido.id) is fact else None for fact in facts],
        [fact.causa for fact in facts],
        [fact.recusa for fact in facts],
        [fact.traceparent for fact in facts],
    )


def _text(value: object) -> str:
    return _json.encode(value).decode()
