"""``python -m reservaestoque.migrate``: exit code 0 when the database has every migration, else 1 and the reason.

DATABASE_URL is the database; DATABASE_CA_FILE the authority that signed its server's certificate.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from reservaestoque.migrate.runner import GIVE_UP_AFTER, PAUSE, MigrationError, await_migrations, migrate
from reservaestoque.settings import parse_duration
from reservaestoque.tls import ca_file, trusting_postgres


def main(argv: Sequence[str] | None = None) -> int:
    """Migrates the database of DATABASE_URL, or waits until it has been migrated; returns the exit code."""
    arguments = parser().parse_args(argv)
    url, authority = os.environ.get("DATABASE_URL", ""), os.environ.get("DATABASE_CA_FILE")
    # As process 1 of a container, this process is terminated only by signals that it handles.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        url = trusting_postgres(url, ca_file(authority) if authority else None)
        if arguments.wait:
            await_migrations(url, arguments.migrations_dir, report=_report)
            return 0
        migrate(
            url,
            arguments.migrations_dir,
            report=_report,
            pause=arguments.pause,
            give_up_after=arguments.give_up_after,
        )
    except MigrationError as error:
        print(f"could not migrate: {error}", file=sys.stderr)
        return 1
    except ValueError as wrong:
        print(f"DATABASE_CA_FILE: {wrong}", file=sys.stderr)
        return 1
    return 0


def _report(line: str) -> None:
    print(line, flush=True)


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(prog="python -m reservaestoque.migrate", description=__doc__)
    folder = os.environ.get("DBMATE_MIGRATIONS_DIR", "db/migrations")
    parser.add_argument("--migrations-dir", type=Path, default=Path(folder), metavar="FOLDER")
    parser.add_argument("--wait", action="store_true", help="change nothing: wait until it has every migration")
    parser.add_argument("--pause", type=_duration, default=PAUSE, help="minimum pause between two attempts (5s)")
    parser.add_argument(
        "--give-up-after", type=_duration, default=GIVE_UP_AFTER, help="start no attempt after this time (10m)"
    )
    return parser


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    assert isinstance(duration, timedelta)  # noqa: S101 - of a string
    return duration


if __name__ == "__main__":
    sys.exit(main())
