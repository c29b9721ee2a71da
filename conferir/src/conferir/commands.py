"""Checks that each command was applied exactly once, against estoque's inbox and the order versions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from conferir.agreement_rules import Command, Criteria, History, check_command, check_version
from conferir.slice import Slice
from conferir.snapshot import Snapshots
from conferir.violation import Violation
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def read_slice(snapshots: Snapshots, after: UUID, limit: int, criteria: Criteria) -> Slice[UUID]:
    """Checks the commands after an id. Raises what asyncpg raises."""
    since = snapshots.pedidos.now - criteria.retention
    rows = await snapshots.pedidos.connection.fetch(_sql["commands"], after, limit, since)
    last_key: UUID | None = rows[-1]["id"] if len(rows) == limit else None
    return Slice(len(rows), last_key, await _check(snapshots, rows, criteria))


async def recheck(snapshots: Snapshots, ids: Sequence[UUID], criteria: Criteria) -> list[Violation]:
    """Checks these commands again. Raises what asyncpg raises."""
    return await _check(snapshots, await snapshots.pedidos.connection.fetch(_sql["commands_by_id"], ids), criteria)


async def _check(snapshots: Snapshots, rows: Iterable[asyncpg.Record], criteria: Criteria) -> list[Violation]:
    commands = [Command(*row) for row in rows]
    answered = [c for c in commands if c.answered]
    inbox: dict[UUID, str | None] = {}
    if answered:
        remembered = await snapshots.estoque.connection.fetch(
            _sql["inbox"], [c.id for c in answered], [c.pedido_id for c in answered]
        )
        inbox = {row["evento_id"]: row["recusa"] for row in remembered}
    found = [check_command(c, inbox, snapshots.pedidos.now, criteria) for c in commands]
    return [violation for violation in found if violation]


async def versions(snapshots: Snapshots, since: datetime) -> list[Violation]:
    """Finds orders created since an instant with more versions than their commands explain; streams the rows.

    None of their commands may have been purged. Raises what asyncpg raises.
    """
    cursor = snapshots.pedidos.connection.cursor(_sql["histories"], since, prefetch=1000)
    return [violation async for row in cursor if (violation := check_version(History(*row)))]


async def recheck_versions(snapshots: Snapshots, ids: Sequence[UUID], criteria: Criteria) -> list[Violation]:
    """Checks the versions of these orders again. Raises what asyncpg raises."""
    since = snapshots.pedidos.now - criteria.retention
    rows = await snapshots.pedidos.connection.fetch(_sql["histories_by_id"], ids, since)
    return [violation for row in rows if (violation := check_version(History(*row)))]
