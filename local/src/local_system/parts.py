"""A part of the system: a row of the table that local_system.system builds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_system.errors import LocalSystemError


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Part:
    """One process.

    command: its arguments, computed only when the part is used (finding a program may mean downloading it). files:
    configuration files that it reads at start-up, by path; it is restarted when one has changed. ready: raises
    NotReady until the part can do its work. prepare: runs before each start (initdb). ready_once: runs when it has
    become ready, before anything that needs it (roles, migrations, CRDs), and at every `up`, so it is idempotent.
    ports: name in Ports → number, for the message about an occupied port. stop_seconds: how long it may take to stop
    before it is killed.
    """

    name: str
    command: Callable[[], Sequence[str]]
    ready: Callable[[], None]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    ready_once: Callable[[], None] = _nothing
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    deadline: float = 60.0


def select(parts: Iterable[Part], wanted: Iterable[str] | None) -> list[Part]:
    """The wanted parts and everything they need, ordered so that each part comes after what it needs.

    `pedidos` names all its replicas (`pedidos-1`, …). Raises LocalSystemError for a name that does not exist.
    """
    table = {part.name: part for part in parts}
    names = list(table) if wanted is None else [name for want in sorted(wanted) for name in expand(table, want)]
    ordered: dict[str, Part] = {}

    def visit(name: str) -> None:
        for need in table[name].needs:
            visit(need)
        ordered.setdefault(name, table[name])

    for name in names:
        visit(name)
    return list(ordered.values())


def expand(names: Iterable[str], wanted: str) -> list[str]:
    """The parts that a name means: the part itself, or all its replicas."""
    known = list(names)
    found = [name for name in known if name == wanted or _is_replica(name, wanted)]
    if not found:
        raise LocalSystemError(f"there is no part {wanted!r}; the parts are: {', '.join(known)}")
    return found


def _is_replica(name: str, program: str) -> bool:
    stem, _, number = name.rpartition("-")
    return stem == program and number.isdecimal()


def stages(parts: Iterable[Part]) -> list[list[str]]:
    """Groups of names: each group needs only earlier groups. Stopping goes through them in reverse."""
    depth: dict[str, int] = {}
    for part in parts:
        depth[part.name] = 1 + max((depth[need] for need in part.needs if need in depth), default=-1)
    return [[n for n, d in depth.items() if d == level] for level in range(max(depth.values(), default=-1) + 1)]
