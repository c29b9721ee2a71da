"""Slices: a table is looked at in pieces, each beginning after the key that ended the last one. Pure values."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from conferir.violacao import Violacao

K = TypeVar("K", str, UUID)

PRIMEIRO = UUID(int=0)
ULTIMO = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Fatia(Generic[K]):
    """How many rows a slice had, what is or seems wrong with them, and where the next one begins.

    `seguinte` is the last key of this one; None when nothing comes after it.
    """

    vistos: int
    seguinte: K | None
    violacoes: list[Violacao] = field(default_factory=list)
