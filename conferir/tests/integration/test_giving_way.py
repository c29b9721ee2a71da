"""Snapshots give way to sessions that wait for their locks: a migration, and every statement queued behind it.

A lock on `comando`, which is read after `pedido`, blocks a snapshot midway.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import database_copies
import pytest
from audited_world import GRACE, World, database_url, database_urls, new_rounds, run_conferir
from waiting import until

from conferir import full_audit
from conferir.agreement_rules import Criteria
from conferir.snapshot import Databases, LockWantedError, take_snapshots
from conferir.violation import Rule, Violation
from local_system import System

pytestmark = pytest.mark.integration

STUCK = "select exists (select from pg_locks where relation = 'comando'::regclass and not granted)"
MIGRATION = "-- migrate:up\nalter table pedido add column test int;\n-- migrate:down\n"


@asynccontextmanager
async def transaction(url: str, *statements: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
            yield connection
    finally:
        await connection.close()


@pytest.fixture
async def migration(copies: System, world: World, tmp_path: Path) -> AsyncIterator[list[str]]:
    """The usual command that migrates pedidos, with one more migration, which alters `pedido`."""
    for file in (database_copies.ROOT / "services/pedidos/db/migrations").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "99990101000001_test.sql").write_text(MIGRATION)
    yield [sys.executable, "-m", "reservaestoque.migrate", "--migrations-dir", str(tmp_path), "--pause=1s"]
    await world.pedidos.execute("alter table pedido drop column if exists test")
    await world.pedidos.execute("delete from schema_migrations where version = '99990101000001'")


async def migrate(copies: System, command: list[str]) -> None:
    env = {"DATABASE_URL": database_url(copies, "pedidos")}
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_the_one_shot_audit_gives_way_to_a_migration_and_restarts(
    copies: System, world: World, readers: Databases, migration: list[str]
):
    await world.typical_day()
    await world.estoque.execute("update estoque set reservado = 99 where sku = 'A'")
    said: list[Violation] = []
    tries: list[int] = []
    async with transaction(database_url(copies, "pedidos"), "lock table comando in access exclusive mode"):
        check = asyncio.create_task(
            full_audit.audit(readers, Criteria(), GRACE, said.append, on_restart=tries.append)
        )
        await until(lambda: world.pedidos.fetchval(STUCK))
        await migrate(copies, migration)
        assert not check.done()
    result = await check
    assert tries
    assert (result.complete, result.exit_code) == (True, 1)
    assert [violation.rule for violation in said] == [
        Rule.SUPPLY,
        Rule.COUNTERS,
    ]  # once in all tries
    assert result.seen == {"skus": 2, "reservas": 6, "pedidos": 6, "commands": 10}


async def test_a_step_of_the_continuous_audit_gives_way_to_a_migration(
    copies: System, world: World, readers: Databases, migration: list[str]
):
    await world.typical_day()
    rounds = new_rounds(readers, limit=99)
    async with transaction(database_url(copies, "pedidos"), "lock table comando in access exclusive mode"):
        step = asyncio.create_task(rounds.step())
        await until(lambda: world.pedidos.fetchval(STUCK))
        await migrate(copies, migration)
        with pytest.raises(LockWantedError):
            await step
    assert await rounds.step() is False


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
async def test_a_snapshot_of_either_database_ends_when_a_session_waits_for_its_locks(
    copies: System, world: World, readers: Databases, database: str
):
    with pytest.raises(LockWantedError):
        await hold_until_wanted(readers, database, database_url(copies, database))


async def hold_until_wanted(readers: Databases, database: str, url: str) -> None:
    async with take_snapshots(readers) as snapshots:
        await getattr(snapshots, database).connection.fetchval("select count(id) from pedido")
        waiter = asyncio.create_task(lock(url))
        try:
            await asyncio.sleep(30)
        finally:
            waiter.cancel()


async def lock(url: str) -> None:
    async with transaction(url, "lock table pedido in access exclusive mode"):
        pass


async def test_it_reports_that_it_never_finished(copies: System, world: World):
    await world.typical_day()
    url = database_url(copies, "pedidos")
    async with transaction(url, "lock table comando in access exclusive mode"):
        done = asyncio.create_task(run_conferir(**database_urls(copies)))
        while not done.done():
            if await world.pedidos.fetchval(STUCK):
                await lock(url)
            await asyncio.sleep(0.02)
    completed = await done
    assert completed.returncode == 2
    *tries, last = completed.stderr.splitlines()
    assert len(tries) == full_audit.TRIES - 1
    assert tries[-1].endswith(f"restarting, try {full_audit.TRIES} of {full_audit.TRIES}")
    assert last.startswith(f"could not check: it gave way {full_audit.TRIES} times")
    assert "Traceback" not in completed.stderr
