"""Slices of a table, in key order; each starts after the last key of the previous one. Pure values."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from conferir.violation import Violation

K = TypeVar("K", str, UUID)

FIRST_ID = UUID(int=0)
LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Slice(Generic[K]):
    """The number of rows seen, the violations or suspects among them, and where the next slice starts.

    `last_key` is the slice's last key; None at the end of the table.
    """

    seen: int
    last_key: K | None
    violations: list[Violation] = field(default_factory=list)
