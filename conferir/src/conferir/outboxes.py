"""Checks that both outboxes are empty at rest."""

from conferir.snapshot import Snapshot, Snapshots
from conferir.violation import Rule, Violation
from reservaestoque.postgres import Queries

_sql = Queries("conferir")


async def unpublished(snapshots: Snapshots) -> list[Violation]:
    """A violation per outbox that is not empty. Raises what asyncpg raises."""
    return [*await _outbox(snapshots.pedidos, "pedidos"), *await _outbox(snapshots.estoque, "estoque")]


async def _outbox(snapshot: Snapshot, database: str) -> list[Violation]:
    count = await snapshot.connection.fetchval(_sql["outbox"])
    return [Violation(Rule.OUTBOX, database, f"{count} unpublished events")] if count else []
