"""Compares every order in pedidos with the same order in estoque, slice by slice."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from conferir.agreement_rules import Clocks, Criteria, Pair, check_pair, looks_consistent
from conferir.pedido import Pedido
from conferir.slice import Slice
from conferir.snapshot import Snapshot, Snapshots
from conferir.violation import Violation
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def read_slice(snapshots: Snapshots, after: UUID, limit: int, criteria: Criteria) -> Slice[UUID]:
    """Compares the orders after an id, from either database. Raises what asyncpg raises."""
    pedidos = await _read(snapshots.pedidos, "pedidos_in_pedidos", after, limit)
    estoque = await _read(snapshots.estoque, "pedidos_in_estoque", after, limit)
    # Either side may be cut off by the limit: the slice ends at the lower of the last keys.
    ends = [max(side) for side in (pedidos, estoque) if len(side) == limit]
    last_key = min(ends, default=None)
    ids = [key for key in {**pedidos, **estoque} if last_key is None or key <= last_key]
    pairs = (Pair(pedidos.get(key), estoque.get(key)) for key in ids)
    return Slice(len(ids), last_key, await _check(snapshots, pairs, criteria))


async def recheck(snapshots: Snapshots, ids: Sequence[UUID], criteria: Criteria) -> list[Violation]:
    """Compares these orders again. Raises what asyncpg raises."""
    pedidos = await _read(snapshots.pedidos, "pedidos_in_pedidos_by_id", ids)
    estoque = await _read(snapshots.estoque, "pedidos_in_estoque_by_id", ids)
    return await _check(snapshots, (Pair(pedidos.get(key), estoque.get(key)) for key in ids), criteria)


async def _read(snapshot: Snapshot, statement: str, *args: object) -> dict[UUID, Pedido]:
    return {row["id"]: Pedido(*row) for row in await snapshot.connection.fetch(_sql[statement], *args)}


async def _check(snapshots: Snapshots, pairs: Iterable[Pair], criteria: Criteria) -> list[Violation]:
    """Queries pending commands and in-flight messages only for pairs that differ."""
    unusual = {str(_id(pair)): pair for pair in pairs if _id(pair) and not looks_consistent(pair)}
    if not unusual:
        return []
    pending_ids = await _subset(snapshots.pedidos, "pending", unusual)
    in_flight = await _subset(snapshots.estoque, "in_flight", unusual)
    now = Clocks(snapshots.pedidos.now, snapshots.estoque.now)
    found = [
        check_pair(pair._replace(pending=key in pending_ids, in_flight=key in in_flight), now, criteria)
        for key, pair in unusual.items()
    ]
    return [violation for violation in found if violation]


def _id(pair: Pair) -> UUID | None:
    known = pair.pedidos or pair.estoque
    return known.id if known else None


async def _subset(snapshot: Snapshot, statement: str, keys: Iterable[str]) -> set[str]:
    return {str(row["id"]) for row in await snapshot.connection.fetch(_sql[statement], list(keys))}
