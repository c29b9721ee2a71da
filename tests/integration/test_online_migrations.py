"""A migration of a running system: orders are decided meanwhile, whatever sessions read the altered table."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from database_copies import ROOT
from shop import Shop

from local_system import System

pytestmark = pytest.mark.integration

NAME = "99990101000001_test.sql"
MIGRATION = "-- migrate:up\nalter table estoque add column extra int not null default 0;\n-- migrate:down\n"
UNDO = """
set lock_timeout = '20s';
alter table estoque drop column if exists extra;
delete from schema_migrations where version = '99990101000001';
"""


@pytest.fixture
def migrations(system: System, tmp_path: Path) -> Iterator[Path]:
    """One more migration of estoque, which alters the table that every order locks."""
    for file in (ROOT / "services/estoque/db/migrations").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / NAME).write_text(MIGRATION)
    yield tmp_path
    system.psql("estoque", UNDO)


@pytest.fixture
async def reader(system: System, shop: Shop) -> AsyncIterator[asyncpg.Connection]:
    """A session that has read stock in a transaction that is still open."""
    await shop.declare("MIGRATION", 10_000)
    connection = await asyncpg.connect(system.database_url("estoque", "conferente"))
    await connection.execute("begin isolation level repeatable read read only; select count(sku) from estoque")
    yield connection
    await connection.close()


@asynccontextmanager
async def migrate(system: System, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the command of the charts' Job and of the local system."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "reservaestoque.migrate", "--migrations-dir", str(folder), "--pause", "1s"),
        env={**os.environ, "DATABASE_URL": system.database_url("estoque")},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def test_orders_are_decided_while_a_migration_cannot_have_its_lock(
    shop: Shop, system: System, migrations: Path, reader: asyncpg.Connection
):
    async with migrate(system, migrations) as migration:
        assert migration.stdout is not None
        tries = asyncio.create_task(lines_until(migration.stdout, "retrying in", times=3))
        try:
            while not tries.done():
                response = await shop.order(wait=5, MIGRATION=1)
                assert response.status_code == 201, response.text
                await asyncio.sleep(0.02)
            await tries
        finally:
            tries.cancel()
        assert migration.returncode is None
        await reader.close()
        async with asyncio.timeout(60):
            await migration.communicate()
    assert migration.returncode == 0
    assert system.psql("estoque", "select max(extra) from estoque").strip() == "0"
    assert (await shop.order(wait=5, MIGRATION=1)).json()["status"] == "EstoqueReservado"


async def lines_until(stream: asyncio.StreamReader, words: str, times: int) -> None:
    """Returns when `times` lines have contained these words. Raises AssertionError when the stream ends first."""
    async with asyncio.timeout(120):
        while times:
            line = (await stream.readline()).decode()
            assert line
            times -= words in line
