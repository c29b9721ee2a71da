"""Reserves new orders in one statement while their SKUs have enough units for all, in any sequence."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec

from estoque.pedido import Fact, Pedido, demand, sum_items
from estoque.scarcity import Scarcity
from reservaestoque.events import Comando, PedidoCriado, Status
from reservaestoque.postgres import Connection, Queries

_sql = Queries("estoque")
_json = msgspec.json.Encoder()


class Reserved(NamedTuple):
    """The facts about orders that were reserved at `now`, and their row in the outbox."""

    facts: list[Fact]
    now: datetime
    outbox: int


async def reserve(
    connection: Connection, commands: Sequence[Comando], ttl: timedelta, horizon: timedelta, scarcity: Scarcity
) -> Reserved | None:
    """Reserves all items of these orders in one transaction; None if the batch needs a decision.

    It needs none if each command creates an unknown order, and each SKU has enough units for all of them: `decide`
    would accept every order. Raises what asyncpg raises. Nothing is written then, nor if the result is None.
    """
    pedidos = _new_orders(commands)
    if pedidos is None:
        return None
    needed = demand(pedido.itens for pedido in pedidos)
    if scarcity.affects(needed):
        return None
    try:
        row = await connection.fetchrow(
            _sql["reserve_new"],
            list(needed),
            list(needed.values()),
            min(command.time for command in commands),
            horizon,
            ttl,
            [pedido.id for pedido in pedidos],
            [command.id for command in commands],
            [pedido.versao for pedido in pedidos],
            [_json.encode(pedido.itens).decode() for pedido in pedidos],
            [command.traceparent or None for command in commands],
            *_lines(pedidos),
        )
    except asyncpg.UniqueViolationError:
        return None
    if row is None:
        return None
    expira_em = row["expira_em"]
    facts = [
        Fact(msgspec.structs.replace(pedido, expira_em=expira_em), command.id, None, command.traceparent or None)
        for command, pedido in zip(commands, pedidos, strict=True)
    ]
    return Reserved(facts, row["decided_at"], row["outbox"])


def _new_orders(commands: Sequence[Comando]) -> list[Pedido] | None:
    """The orders that the commands create, reserved; None unless each command creates a different one."""
    if not commands or not all(isinstance(command, PedidoCriado) for command in commands):
        return None
    if min(len({c.data.pedido_id for c in commands}), len({c.id for c in commands})) < len(commands):
        return None
    return [
        Pedido(
            command.data.pedido_id,
            Status.ESTOQUE_RESERVADO,
            command.data.versao_conhecida + 1,
            sum_items(command),
        )
        for command in commands
    ]


def _lines(pedidos: Iterable[Pedido]) -> tuple[list[Any], ...]:
    lines = [(pedido.id, sku, quantidade) for pedido in pedidos for sku, quantidade in pedido.itens.items()]
    return tuple(map(list, zip(*lines, strict=True)))
