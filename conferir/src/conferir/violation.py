"""Rules and their violations. Pure values."""

from enum import StrEnum
from typing import NamedTuple


class Rule(StrEnum):
    """The invariants of the system."""

    SUPPLY = "supply"
    """Reserved plus sold units never exceed the supply in force: the higher of declared and committed units."""
    COUNTERS = "counters"
    """A SKU's counters equal the sums of its lines."""
    LINES = "lines"
    """An order holds exactly the lines that its status requires."""
    AGREEMENT = "agreement"
    """pedidos and estoque hold the same order in the same state."""
    UNDECIDED = "undecided"
    """An undecided order has a command that is resent until answered."""
    UNANSWERED = "unanswered"
    """A command is answered, or resent until it is."""
    ANSWER = "answer"
    """The answer that pedidos recorded for an event equals the one in estoque's inbox."""
    VERSION = "version"
    """An order has no more versions than its commands and lapses explain: no event was applied twice."""
    OUTBOX = "outbox"
    """At rest both outboxes are empty."""


IMMEDIATE = frozenset({Rule.SUPPLY, Rule.COUNTERS, Rule.LINES})
"""Rules on one snapshot of one database: timing cannot explain a violation, so no grace period applies."""


class Violation(NamedTuple):
    """A rule, the subject that breaks it (a SKU, the id of an order or command, a database), and a sentence."""

    rule: Rule
    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.key}: {self.detail}"
