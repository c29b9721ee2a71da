"""Remembers SKUs that have recently lacked units: `reserve` skips batches that name one. Pure: no I/O, no clock."""

from collections.abc import Iterable

MEMORY_BATCHES = 50
"""Number of batches of new orders after which all is forgotten: about a second under load, so that one batch in fifty
is tried in vain.
"""
MAX_SKUS = 10_000
"""Number of SKUs beyond which all is forgotten, because customers may name any number of SKUs that do not exist."""


class Scarcity:
    """A hint, which may be wrong either way: it saves a statement per batch on a SKU that is sold out."""

    def __init__(self) -> None:
        self._skus: set[str] = set()
        self._batches = 0

    def add(self, skus: Iterable[str]) -> None:
        """Records SKUs that a batch has found to lack units, or to accept no orders."""
        self._skus.update(skus)
        if len(self._skus) > MAX_SKUS:
            self._skus.clear()

    def affects(self, skus: Iterable[str]) -> bool:
        """Whether a batch that names these SKUs is likely to lack units. Call it once per batch of new orders."""
        self._batches += 1
        if self._batches % MEMORY_BATCHES == 0:
            self._skus.clear()
        return not self._skus.isdisjoint(skus)
