"""Runs dbmate and retries it while another session's lock blocks the migration.

An ALTER TABLE queued behind a long read blocks every later statement on the table. It therefore waits for
LOCK_TIMEOUT at most, and the pause between retries lets blocked traffic drain.
"""

import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from reservaestoque.backoff import delay
from reservaestoque.migrate.plan import Stage, explained, is_retryable, stages, with_lock_timeout

LOCK_TIMEOUT = timedelta(seconds=2)
PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=15)
POLL_INTERVAL = timedelta(seconds=1)
GIVE_UP_AFTER = timedelta(minutes=10)
WAIT_FOR_SERVER = timedelta(minutes=5)

_OPTIONS = (
    "--no-dump-schema",
    "--wait",
    f"--wait-timeout={WAIT_FOR_SERVER.total_seconds():.0f}s",
    "--migration-lock",
    # Shorter than deadlock_timeout: a waiter holds a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots.
    "--migration-lock-timeout=500ms",
)

DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"


class MigrationError(Exception):
    """A failure, as a sentence, with dbmate's output."""


def _silent(_: str) -> None:
    return None


def migrate(
    url: str,
    folder: Path,
    *,
    report: Callable[[str], None] = _silent,
    pause: timedelta = PAUSE,
    give_up_after: timedelta = GIVE_UP_AFTER,
) -> None:
    """Brings the database to the newest migration of `folder`. `report` receives one line at a time.

    Concurrent runs take turns. No attempt begins later than `give_up_after` from now; an attempt in progress is never
    cut short. Raises MigrationError.
    """
    deadline = time.monotonic() + give_up_after.total_seconds()
    plan = stages({file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.sql")})
    if not plan:
        raise MigrationError(f"there are no migrations in {folder}")
    for stage in plan:
        failures = 0
        while output := _run(url, folder, stage, report):
            failures += 1
            wait = delay(failures, first=pause.total_seconds(), longest=2 * max(pause, LONGEST_PAUSE).total_seconds())
            if not is_retryable(stage, output):
                raise MigrationError(explained(stage, output))
            if time.monotonic() + wait > deadline:
                raise MigrationError(f"gave up: another session's lock blocked all {failures} tries\n{output}")
            report(f"another session holds a lock that the migration needs: retrying in {wait:.0f} s")
            time.sleep(wait)


def await_migrations(url: str, folder: Path, *, report: Callable[[str], None] = _silent) -> None:
    """Returns when the database has every migration of `folder`; those of a later release do no harm.

    Waits as long as it takes, for the server too. `report` receives dbmate's output, without immediate repetitions.
    Raises MigrationError when dbmate cannot be run.
    """
    options = ["--no-dump-schema", "--migrations-dir", str(folder)]
    env = {**os.environ, "DATABASE_URL": url}
    previous = ""
    while output := _call([*options, "status", "--exit-code"], env, _silent):
        if output != previous:
            report(output)
        previous = output
        time.sleep(POLL_INTERVAL.total_seconds())


def _run(url: str, folder: Path, stage: Stage, report: Callable[[str], None]) -> str:
    """dbmate's output when it failed; empty when it succeeded."""
    milliseconds = int(LOCK_TIMEOUT.total_seconds() * 1000) if stage.bounded else 0
    try:
        # By environment: any user can read the arguments of a process.
        env = {**os.environ, "DATABASE_URL": with_lock_timeout(url, milliseconds)}
    except ValueError as wrong:
        raise MigrationError(f"DATABASE_URL: {wrong}") from None
    with tempfile.TemporaryDirectory() as links:
        for name in stage.files:
            (Path(links) / name).symlink_to(folder.absolute() / name)
        return _call(["--migrations-dir", links, *_OPTIONS, "migrate"], env, report)


def _call(arguments: list[str], env: dict[str, str], report: Callable[[str], None]) -> str:
    argv = [str(DBMATE), *arguments]
    try:
        process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise MigrationError(f"{DBMATE} cannot be run: {error.strerror}") from error
    lines: list[str] = []
    with process, _ended(process):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            lines.append(line)
            report(line.rstrip())
    if process.returncode == 0:
        return ""
    return "".join(lines).strip() or f"dbmate ended with {process.returncode}"


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Ends the process when we are interrupted."""
    try:
        yield
    except BaseException:
        process.terminate()
        raise
