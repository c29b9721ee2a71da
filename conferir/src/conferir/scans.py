"""The scans of the audit: what each one reads, and how to recheck its suspects."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic
from uuid import UUID

from conferir import agreement, commands, ledger, outboxes
from conferir.agreement_rules import Criteria
from conferir.slice import FIRST_ID, K, Slice
from conferir.snapshot import Snapshots
from conferir.violation import Rule, Violation


@dataclass(frozen=True)
class Scan(Generic[K]):
    """A named scan: the key before the first row, and the function that checks the slice after a key."""

    name: str
    start: K
    read_slice: Callable[[Snapshots, K], Awaitable[Slice[K]]]


def skus(limit: int) -> Scan[str]:
    """Scans estoque's stock rows."""
    return Scan("skus", "", lambda snapshots, after: ledger.sku_slice(snapshots.estoque, after, limit))


def reservas(limit: int) -> Scan[UUID]:
    """Scans estoque's orders with their lines."""
    return Scan("reservas", FIRST_ID, lambda snapshots, after: ledger.pedido_slice(snapshots.estoque, after, limit))


def pedidos(limit: int, criteria: Criteria) -> Scan[UUID]:
    """Scans the orders of both databases."""
    return Scan("pedidos", FIRST_ID, lambda snapshots, after: agreement.read_slice(snapshots, after, limit, criteria))


def all_commands(limit: int, criteria: Criteria) -> Scan[UUID]:
    """Scans the commands in pedidos."""
    return Scan("commands", FIRST_ID, lambda snapshots, after: commands.read_slice(snapshots, after, limit, criteria))


async def recheck(snapshots: Snapshots, suspects: Collection[Violation], criteria: Criteria) -> list[Violation]:
    """Checks the subjects of these suspects again. Raises what asyncpg raises."""

    def ids(*rules: Rule) -> Sequence[UUID]:
        return [UUID(key) for key in sorted({v.key for v in suspects if v.rule in rules})]

    found: list[Violation] = []
    if targets := ids(Rule.AGREEMENT, Rule.UNDECIDED):
        found += await agreement.recheck(snapshots, targets, criteria)
    if targets := ids(Rule.UNANSWERED, Rule.ANSWER):
        found += await commands.recheck(snapshots, targets, criteria)
    if targets := ids(Rule.VERSION):
        found += await commands.recheck_versions(snapshots, targets, criteria)
    if any(v.rule == Rule.OUTBOX for v in suspects):
        found += await outboxes.unpublished(snapshots)
    return found
