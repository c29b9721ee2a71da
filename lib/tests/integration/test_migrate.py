"""dbmate under a lock timeout, on a real database."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import database_copies
import psutil
import pytest
from waiting import until

from local_system import System
from reservaestoque.migrate import MigrationError, migrate, runner

pytestmark = pytest.mark.integration

TABLE = "-- migrate:up\ncreate table t (n int);\n-- migrate:down\n"
COLUMN = "-- migrate:up\nalter table t add column m int;\n-- migrate:down\n"
INDEX = "-- migrate:up transaction:false\ncreate index concurrently t_n on t (n);\n-- migrate:down\n"
CONNECTIONS = Path(__file__).parents[3] / "charts/common/templates/_connections.tpl"
WAITS = "select exists (select from pg_locks where not granted)"


@pytest.fixture
def url(backing: System) -> str:
    return database_copies.create(backing, "estoque", "migrated")


@pytest.fixture
async def connection(url: str, tmp_path: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with the table `t`, which another session has read in a transaction still open."""
    (tmp_path / "1_t.sql").write_text(TABLE)
    await asyncio.to_thread(migrate, url, tmp_path)
    reader = await asyncpg.connect(url)
    await reader.execute("begin isolation level repeatable read; select * from t")
    yield reader
    await reader.close()


Run = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def run(url: str, tmp_path: Path) -> AsyncIterator[Run]:
    """Starts `python -m reservaestoque.migrate` with additional options."""
    processes: list[asyncio.subprocess.Process] = []

    async def start(*options: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "reservaestoque.migrate", "--migrations-dir", str(tmp_path), "--pause", "100ms", *options),
            env={**os.environ, "DATABASE_URL": url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def finish(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Waits for its exit; returns its output. Raises TimeoutError after a minute."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return out.decode(), err.decode()


async def test_it_gives_up_with_dbmates_error_and_changes_nothing(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    (tmp_path / "2_m.sql").write_text(COLUMN)
    process = await run("--give-up-after", "3s")
    out, err = await finish(process)
    assert process.returncode == 1
    assert err.startswith("could not migrate: gave up: another session's lock blocked all ")
    assert err.rstrip().endswith("(55P03)")
    assert out.count("Applying: 2_m.sql") >= 2
    assert await connection.fetchval("select count(*) from schema_migrations") == 1


async def test_an_error_in_a_migration_is_reported_at_once(run: Run, connection: asyncpg.Connection, tmp_path: Path):
    (tmp_path / "2_m.sql").write_text(COLUMN.replace("table t", "table nobodys"))
    process = await run()
    out, err = await finish(process)
    assert process.returncode == 1
    assert out.count("Applying: 2_m.sql") == 1
    assert '"nobodys" does not exist' in err


async def test_a_database_created_by_other_migrations_is_recognised(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    (tmp_path / "1_t.sql").rename(tmp_path / "2_t.sql")
    process = await run()
    _, err = await finish(process)
    assert process.returncode == 1
    assert 'relation "t" already exists' in err
    assert "Other migrations than these have created this database" in err


async def test_an_index_that_is_built_concurrently_waits_for_old_snapshots_as_long_as_they_last(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    """If cancelled, it would leave an invalid index behind, and the next attempt would fail because that exists."""
    (tmp_path / "2_i.sql").write_text(INDEX)
    process = await run()
    await until(lambda: connection.fetchval(WAITS))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(process.wait()), 2 * runner.LOCK_TIMEOUT.total_seconds())
    await connection.execute("rollback")
    await finish(process)
    assert process.returncode == 0
    assert await connection.fetchval("select indisvalid from pg_index where indexrelid = 't_n'::regclass")


async def test_concurrent_runs_migrate_one_after_the_other(run: Run, connection: asyncpg.Connection, tmp_path: Path):
    """Also while an index is built concurrently: waiting sessions hold snapshots, for which the build waits."""
    (tmp_path / "2_i.sql").write_text(INDEX)
    (tmp_path / "3_m.sql").write_text(COLUMN)
    await connection.execute("rollback; begin; insert into t values (1)")  # the build's first phase waits for this
    processes = [await run()]
    await until(lambda: connection.fetchval(WAITS))
    processes += [await run(), await run()]
    await until(lambda: connection.fetchval(f"{WAITS[:-1]} and locktype = 'advisory')"))
    await connection.execute("commit")
    said = await asyncio.gather(*map(finish, processes))
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert await connection.fetchval("select indisvalid from pg_index where indexrelid = 't_n'::regclass")


async def test_the_password_is_in_neither_the_output_nor_the_arguments(
    url: str, run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    (tmp_path / "2_m.sql").write_text(COLUMN)
    process = await run("--give-up-after", "3s")
    await until(lambda: connection.fetchval(WAITS))
    there = psutil.Process(process.pid)
    arguments = [argument for one in (there, *there.children()) for argument in one.cmdline()]
    said = "".join(await finish(process))
    password = urlsplit(url).password
    assert "migrate" in arguments
    assert password
    assert password not in said + " ".join(arguments)


async def test_sigterm_ends_it_and_dbmate(run: Run, connection: asyncpg.Connection, tmp_path: Path):
    (tmp_path / "2_i.sql").write_text(INDEX)
    process = await run()
    await until(lambda: connection.fetchval(WAITS))
    children = psutil.Process(process.pid).children()
    process.terminate()
    await finish(process)
    assert process.returncode == 143
    assert not [child for child in children if child.is_running()]


async def test_it_opens_as_many_connections_as_the_charts_count_on(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    (tmp_path / "2_m.sql").write_text(COLUMN)
    process = await run("--give-up-after", "3s")
    await until(lambda: connection.fetchval(WAITS))
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    opened = await connection.fetchval(others)
    await connection.execute("rollback")
    await finish(process)
    assert process.returncode == 0
    assert opened == int(re.search(r"^migrations: (\d+)$", CONNECTIONS.read_text(), re.M)[1])  # type: ignore[index]


async def test_it_waits_until_another_session_has_migrated(
    url: str, run: Run, connection: asyncpg.Connection, tmp_path: Path
):
    await connection.execute("rollback")
    (tmp_path / "2_m.sql").write_text(COLUMN)
    process = await run("--wait")
    assert process.stdout
    async with asyncio.timeout(30):
        while b"2_m.sql" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
    assert process.returncode is None
    assert await connection.fetchval("select count(*) from schema_migrations") == 1
    await asyncio.to_thread(migrate, url, tmp_path)
    await finish(process)
    assert process.returncode == 0


def test_a_folder_without_migrations_is_an_error(url: str, tmp_path: Path):
    with pytest.raises(MigrationError, match="no migrations"):
        migrate(url, tmp_path)
