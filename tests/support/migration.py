"""`make migration`: starts a migration with the definitions that have changed since the last one.

Each function and view is defined in one place, its file in `services/<service>/db/functions`. A migration that
installs it holds a copy between two lines that name the file, because an applied migration never changes while its
functions do. The newest copy equals the file; `tests/unit/test_migration.py` enforces that.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("estoque", "pedidos")

_COPY = re.compile(
    r"^-- begin functions/(?P<name>\w+)\.sql\n(?P<text>.*?)^-- end functions/(?P=name)\.sql\n",
    re.MULTILINE | re.DOTALL,
)
_OBJECT = re.compile(r"^create or replace (function|view) (\w+)", re.MULTILINE)
_DOWN = "\n-- migrate:down\n"


def definitions(db: Path) -> dict[str, str]:
    """The files of `db/functions`, by the name of the function or family in them."""
    return {file.stem: file.read_text() for file in sorted((db / "functions").glob("*.sql"))}


def migrations(db: Path) -> list[Path]:
    """The migrations, oldest first."""
    return sorted((db / "migrations").glob("*.sql"))


def copies(migration: str) -> dict[str, str]:
    """The definitions that a migration installs, by name."""
    return {copy["name"]: copy["text"] for copy in _COPY.finditer(_halves(migration)[0])}


def newest_copies(db: Path) -> dict[str, str]:
    """Each definition as in the newest migration that installs it."""
    return {name: text for file in migrations(db) for name, text in copies(file.read_text()).items()}


def refreshed(migration: str, definitions: Mapping[str, str]) -> str:
    """The migration with its copies refreshed. Raises KeyError when a definition no longer exists."""
    up, down = _halves(migration)
    return _COPY.sub(lambda copy: _copy(copy["name"], definitions[copy["name"]]), up) + down


def draft(changed: Mapping[str, str], before: Mapping[str, str]) -> str:
    """A migration that installs the definitions `changed`; its down part restores `before` and drops new ones."""
    up = [_copy(name, text) for name, text in changed.items()]
    down = [before[name] if name in before else _drops(text) for name, text in reversed(changed.items())]
    return "\n".join(["-- migrate:up\n", *up, "-- migrate:down\n", *down])


def _halves(migration: str) -> tuple[str, str]:
    up, mark, down = migration.partition(_DOWN)
    return up, mark + down


def _copy(name: str, text: str) -> str:
    return f"-- begin functions/{name}.sql\n{text}-- end functions/{name}.sql\n"


def _drops(text: str) -> str:
    return "".join(f"drop {kind} {name};\n" for kind, name in reversed(_OBJECT.findall(text)))


def main() -> int:
    """The exit code: 0 when a migration has been written."""
    parser = argparse.ArgumentParser(prog="make migration", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("name", nargs="?", help="of a new migration; without one, copies into the newest one again")
    arguments = parser.parse_args()
    db = ROOT / "services" / arguments.service / "db"
    current, before = definitions(db), newest_copies(db)
    if arguments.name:
        file = db / "migrations" / f"{datetime.now(UTC):%Y%m%d%H%M%S}_{arguments.name}.sql"
        changed = {name: text for name, text in current.items() if before.get(name) != text}
        file.write_text(draft(changed, before))
    else:
        file = migrations(db)[-1]
        file.write_text(refreshed(file.read_text(), current))
    sys.stdout.write(f"{file.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
