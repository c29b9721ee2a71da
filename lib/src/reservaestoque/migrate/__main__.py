"""``python -m reservaestoque.migrate``: exit code 0 when the database has every migration, else 1 and the reason."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from reservaestoque.migrate.runner import GIVE_UP_AFTER, PAUSE, MigrationError, migrate
from reservaestoque.settings import parse_duration


def main(argv: Sequence[str] | None = None) -> int:
    """Migrates the database of DATABASE_URL; the exit code."""
    arguments = _parser().parse_args(argv)
    url = os.environ.get("DATABASE_URL", "")
    # As process 1 of a container nothing ends us but what we handle.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        migrate(
            url,
            arguments.migrations_dir,
            say=lambda line: print(line, flush=True),
            pause=arguments.pause,
            give_up_after=arguments.give_up_after,
        )
    except MigrationError as error:
        print(f"could not migrate: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reservaestoque.migrate", description=__doc__)
    folder = os.environ.get("DBMATE_MIGRATIONS_DIR", "db/migrations")
    parser.add_argument("--migrations-dir", type=Path, default=Path(folder), metavar="FOLDER")
    parser.add_argument("--pause", type=_duration, default=PAUSE, help="at least so long between two tries (5s)")
    parser.add_argument("--give-up-after", type=_duration, default=GIVE_UP_AFTER, help="begin no try later (10m)")
    return parser


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    assert isinstance(duration, timedelta)  # noqa: S101 - of a string
    return duration


if __name__ == "__main__":
    sys.exit(main())
