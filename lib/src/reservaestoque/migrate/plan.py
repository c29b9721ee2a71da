"""Decides which migrations run under a lock timeout, and which failures can be retried. Pure: no I/O."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

_CONCURRENT = re.compile(r"^--\s*migrate:up\b[^\n]*\btransaction:false\b.*?\bconcurrently\b", re.M | re.S | re.I)
_DOWN = re.compile(r"^--\s*migrate:down\b", re.M)
_SQLSTATE = re.compile(r"\(([0-9A-Z]{5})\)$")
_ADDRESS = re.compile(r"postgres(?:ql)?://(?:[^@/?#\s]+@)?[^@?#\s]*(?:\?[^@#\s]*)?")

_WAITING_FOR_LOCK = "waiting for migration lock"  # printed by dbmate before it begins
_LOCKED = frozenset(
    {
        "55P03",  # lock_not_available: the lock timeout, or NOWAIT
        "40P01",  # deadlock_detected: the migration was chosen as the victim
    }
)
_EXISTS = frozenset({"42P07", "42710", "42723"})
"""duplicate_table, duplicate_object and duplicate_function."""


class Stage(NamedTuple):
    """Migrations that run together: all of `files`, which include those of earlier stages.

    `bounded`: each is one transaction and waits for locks only briefly, so the whole stage can be retried. An
    unbounded stage waits as long as it takes: CREATE INDEX CONCURRENTLY and the like block no one while they wait,
    and leave an invalid index when cancelled.
    """

    files: tuple[str, ...]
    bounded: bool


def stages(migrations: Mapping[str, str]) -> list[Stage]:
    """The stages of all migrations, given as texts by file name."""
    names = sorted(migrations)
    found: list[Stage] = []
    for bounded, group in groupby(names, key=lambda name: not is_concurrent(migrations[name])):
        before = found[-1].files if found else ()
        found.append(Stage((*before, *group), bounded))
    return found


def is_concurrent(text: str) -> bool:
    """Whether a migration's up part runs outside a transaction and uses CONCURRENTLY."""
    return bool(_CONCURRENT.search(_DOWN.split(text)[0]))


def is_retryable(stage: Stage, output: str) -> bool:
    """Whether dbmate failed because another session held a lock, and left nothing half done.

    PostgreSQL's failures end with their SQLSTATE in parentheses; the text before it is in the server's language.
    """
    if _WAITING_FOR_LOCK in output.strip().rpartition("\n")[2]:
        return True
    return stage.bounded and _sqlstate(output) in _LOCKED


def explained(stage: Stage, output: str) -> str:
    """dbmate's output, with what to do if other migrations have created what this one creates.

    In an unbounded stage, an interrupted attempt of the same migration may have left it behind.
    """
    if not stage.bounded or _sqlstate(output) not in _EXISTS:
        return output
    return (
        f"{output}\nOther migrations than these have created this database. Use the release that they belong to, or "
        "an empty database; `make clean` empties those of the local system."
    )


def _sqlstate(output: str) -> str | None:
    found = _SQLSTATE.search(output.strip())
    return found[1] if found else None


def with_lock_timeout(url: str, milliseconds: int) -> str:
    """The address with `lock_timeout` as a run-time setting, placed before other parameters: the first one counts.

    A list of several hosts is kept. For an invalid address, raises ValueError without the address in it.
    """
    if not _ADDRESS.fullmatch(url):
        raise ValueError(
            "it is not an address like postgres://user:password@host/database; is a character not %-encoded?"
        )
    address, _, parameters = url.partition("?")
    return f"{address}?lock_timeout={milliseconds}{f'&{parameters}' if parameters else ''}"
