"""Which migrations run under which lock timeout, and which failures are worth another try. Pure: no I/O."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

_CONCURRENT = re.compile(r"^--\s*migrate:up\b[^\n]*\btransaction:false\b.*?\bconcurrently\b", re.M | re.S | re.I)
_DOWN = re.compile(r"^--\s*migrate:down\b", re.M)
_SQLSTATE = re.compile(r"\(([0-9A-Z]{5})\)$")
_ADDRESS = re.compile(r"postgres(?:ql)?://(?:[^@/?#\s]+@)?[^@?#\s]*(?:\?[^@#\s]*)?")

_ANOTHER_AT_WORK = "waiting for migration lock"  # dbmate's own words, before it has begun
_LOCKED = frozenset(
    {
        "55P03",  # lock_not_available: the lock timeout, or NOWAIT
        "40P01",  # deadlock_detected: the migration was the one to go
    }
)


class Stage(NamedTuple):
    """Migrations that run in one go: `files` up to here, those of earlier stages included.

    `bounded`: each is one transaction and waits for locks only briefly, so all of it can be tried again. A stage that
    is not waits as long as it takes: CREATE INDEX CONCURRENTLY and the like block no one while they wait, and one
    that is cancelled leaves an invalid index.
    """

    files: tuple[str, ...]
    bounded: bool


def stages(migrations: Mapping[str, str]) -> list[Stage]:
    """The stages of all migrations, which are texts by file name."""
    names = sorted(migrations)
    found: list[Stage] = []
    for bounded, group in groupby(names, key=lambda name: not is_concurrent(migrations[name])):
        before = found[-1].files if found else ()
        found.append(Stage((*before, *group), bounded))
    return found


def is_concurrent(text: str) -> bool:
    """Whether a migration's up part runs outside a transaction and says CONCURRENTLY."""
    return bool(_CONCURRENT.search(_DOWN.split(text)[0]))


def is_worth_another_try(stage: Stage, output: str) -> bool:
    """Whether dbmate failed because another session held a lock, and left nothing half done.

    PostgreSQL's failures end with their SQLSTATE in parentheses; the words before that are in the server's language.
    """
    last = output.strip().rpartition("\n")[2]
    if _ANOTHER_AT_WORK in last:
        return True
    sqlstate = _SQLSTATE.search(last)
    return stage.bounded and sqlstate is not None and sqlstate[1] in _LOCKED


def with_lock_timeout(url: str, milliseconds: int) -> str:
    """The address with `lock_timeout` as a run-time setting, before other parameters: the first of a name counts.

    Several hosts are left as they are. Raises ValueError, without the address in it, when it is none.
    """
    if not _ADDRESS.fullmatch(url):
        raise ValueError(
            "it is no address like postgres://user:password@host/database; is a character not %-encoded?"
        )
    address, _, parameters = url.partition("?")
    return f"{address}?lock_timeout={milliseconds}{f'&{parameters}' if parameters else ''}"
