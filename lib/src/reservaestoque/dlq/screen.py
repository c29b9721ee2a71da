"""Letters as text: a table for people, JSON in full. Pure: no I/O."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from reservaestoque.dlq.letter import UNKNOWN, Letter
from reservaestoque.events import UNREADABLE

_HEADINGS = ("#", "SET ASIDE", "TYPE", "EVENT", "ORDER", "BYTES", "REASON")


def table(letters: Sequence[Letter]) -> str:
    """One line per letter under a line of headings."""
    rows = [_HEADINGS, *(_row(letter) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows)


def line(letter: Letter) -> str:
    """A summary of the letter, on one line."""
    return "  ".join(_row(letter)[:5])


def details(letters: Iterable[Letter]) -> str:
    """A JSON array of letters: `body` is the message as it is; `text` replaces it where it is not JSON."""
    return msgspec.json.format(msgspec.json.encode([_detail(letter) for letter in letters]), indent=2).decode()


def _row(letter: Letter) -> tuple[str, ...]:
    first = letter.events[0] if letter.events else None
    more = f" and {len(letter.events) - 1} more" if len(letter.events) > 1 else ""
    names = (first.type, first.id + more, first.order) if first else (UNKNOWN,) * 3
    return (
        str(letter.position),
        f"{letter.at:%Y-%m-%d %H:%M:%SZ}" if letter.at else UNKNOWN,
        *map(printable, names),
        str(len(letter.body)),
        printable(letter.reason),
    )


def _detail(letter: Letter) -> dict[str, Any]:
    known = {"position": letter.position, "setAside": letter.at, "reason": letter.reason, "bytes": len(letter.body)}
    try:
        msgspec.json.decode(letter.body)
    except UNREADABLE:
        return {**known, "text": letter.body.decode(errors="backslashreplace")}
    return {**known, "body": msgspec.Raw(letter.body)}


def printable(text: str) -> str:
    """The text on one line, with control characters escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
