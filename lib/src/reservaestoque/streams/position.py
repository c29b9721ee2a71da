"""Positions in a change log, and their form as event ids. Pure: no I/O, no clock."""

import re
from typing import NamedTuple, Self

POSITION_PATTERN = r"[1-9][0-9]{0,17}\.[1-9][0-9]{0,17}\.[0-9]{1,9}"
"""Transactions and rows are bigints, and every number of up to 18 digits is one."""

_TEXT = re.compile(POSITION_PATTERN)


class InvalidPositionError(ValueError):
    """The event id is not a position of this log."""


class PositionLostError(LookupError):
    """The log does not contain this position, or no longer does: what followed it cannot be determined."""


class Position(NamedTuple):
    """A place in a log: the row `row` of `transaction`, past its first `part` changes."""

    transaction: int
    row: int
    part: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``<transaction>.<row>.<part>``. Raises InvalidPositionError."""
        if not _TEXT.fullmatch(text):
            raise InvalidPositionError("an event id of this stream reads <transaction>.<row>.<part>, three numbers")
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        """The event id; that of the origin is empty, so that a client starts from the beginning."""
        return "" if self == ORIGIN else f"{self.transaction}.{self.row}.{self.part}"


ORIGIN = Position(0, 0, 0)
"""Before the first row of a log."""
