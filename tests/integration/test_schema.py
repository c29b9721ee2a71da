"""schema.sql equals the result of the migrations, so do db/functions, and every migration can be undone."""

import re
from pathlib import Path

import asyncpg
import pytest
from database_copies import ROOT, SERVICES, create, create_migrated, dbmate, dump
from migration import definitions, draft

from local_system import System

pytestmark = pytest.mark.integration

# Whatever the current transaction has not written. CREATE OR REPLACE writes the row whether or not anything changes.
UNTOUCHED = """
select p.proname from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.xmin <> pg_current_xact_id()::xid
union all
select c.relname from pg_class c join pg_rewrite r on r.ev_class = c.oid
where c.relnamespace = 'public'::regnamespace and r.xmin <> pg_current_xact_id()::xid
"""
WITHOUT_COMMENT = """
select c.relname from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
    and obj_description(c.oid, 'pg_class') is null and c.relname <> 'schema_migrations'
union all
select p.proname from pg_proc p
where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') is null
"""


@pytest.mark.parametrize("service", SERVICES)
def test_schema_file_equals_the_migrations(backing: System, service: str, tmp_path: Path):
    url = create(backing, service, f"schema_{service}")
    done = tmp_path / "schema.sql"
    dbmate(url, service, "up", done)
    kept = (ROOT / "services" / service / "db/schema.sql").read_text()
    assert done.read_text() == kept, "run `make schema` and commit db/schema.sql"

    for _ in (ROOT / "services" / service / "db/migrations").iterdir():
        dbmate(url, service, "down", done)
    assert not re.search("CREATE (FUNCTION|VIEW)", done.read_text())
    dbmate(url, service, "up", done)
    assert done.read_text() == kept


@pytest.mark.parametrize("service", SERVICES)
async def test_functions_and_views_equal_db_functions(backing: System, service: str):
    url = create_migrated(backing, service, f"schema_{service}")
    migrated = dump(url)
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        for text in definitions(ROOT / "services" / service / "db").values():
            await connection.execute(text)
        untouched = await connection.fetch(UNTOUCHED)
    assert dump(url) == migrated, f"make migration SERVICE={service} NAME=…"
    assert untouched == [], "has no file in db/functions"
    assert await connection.fetch(WITHOUT_COMMENT) == []
    await connection.close()


async def test_a_migration_begun_from_changed_functions_can_be_applied_and_undone(backing: System):
    url = create_migrated(backing, "estoque", "schema_estoque")
    migrated = dump(url)
    before = definitions(ROOT / "services/estoque/db")
    changed = {
        "uuidv7_floor": before["uuidv7_floor"].replace("immutable strict", "stable strict"),
        "saldo": before["saldo"].replace("is 'balances", "is 'all balances"),
        "two": "create or replace function two() returns int language sql as 'select 2';\n",
    }
    up, down = draft(changed, before).split("-- migrate:down\n")
    connection = await asyncpg.connect(url)
    await connection.execute(up)
    assert await connection.fetchval("select provolatile from pg_proc where proname = 'uuidv7_floor'") == b"s"
    assert await connection.fetchval("select two()") == 2
    await connection.execute(down)
    await connection.close()
    assert dump(url) == migrated
