"""The privileges of each role in the databases (docs/operations.md, Database roles). Everything else is refused."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import database_copies
import pytest

from local_system import System
from reservaestoque.migrate import MigrationError, migrate
from reservaestoque.postgres.queries import statements

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("pedidos", "estoque")
ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}

PRIVILEGES: dict[str, dict[str, set[str]]] = {
    "pedidos": {
        "pedido": {"SELECT", "INSERT", "DELETE"},
        "comando": {"SELECT", "INSERT", "DELETE"},
        "outbox": ROWS,
        "idempotencia": ROWS,
        "mudanca": ROWS,
        "bilhete": ROWS,
        "schema_migrations": {"SELECT"},
    },
    "estoque": {
        "estoque": {"SELECT"},
        "saldo": {"SELECT"},
        "pedido": {"SELECT", "INSERT", "DELETE"},
        "reserva": {"SELECT", "INSERT", "DELETE"},
        "inbox": {"SELECT", "INSERT", "DELETE"},
        "outbox": ROWS,
        "mudanca": ROWS,
        "bilhete": ROWS,
        "schema_migrations": {"SELECT"},
    },
}
"""The privileges of the service's runtime role on whole tables and views."""
COLUMNS = {
    "pedidos": {
        "pedido": {"status", "versao", "itens_em_falta", "expira_em", "atualizado_em", "causa", "perguntar_em"},
        "comando": {"reenviar_em", "envios", "respondido_em", "recusa"},
    },
    "estoque": {
        "estoque": {"quantidade", "reservado", "vendido", "arquivado", "alterado_em"},
        "pedido": {"status", "versao", "itens_em_falta", "expira_em", "atualizado_em"},
        "inbox": {"recusa"},
    },
}
"""The columns that it may update in the other tables."""
GRANTED = """
select c.relname, array_agg(p.privilege) filter (where has_table_privilege($1, c.oid, p.privilege))
from pg_class c
cross join unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN}'::text[]) as p (privilege)
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p', 'm')
group by c.relname
"""
UPDATABLE = """
select a.attrelid::regclass::text, array_agg(a.attname::text)
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
    and has_column_privilege($1, a.attrelid, a.attnum, 'UPDATE')
    and not has_table_privilege($1, a.attrelid, 'UPDATE')
group by a.attrelid
"""
SCHEMA = [
    "create table mine (n int)",
    "create temporary table mine (n int)",
    "create function mine() returns int language sql as 'select 1'",
    "create schema mine",
    "create extension pg_stat_statements",
    "alter table pedido add column mine int",
    "alter table pedido disable trigger all",
    "drop table pedido",
    "drop function agora()",
    "alter function agora() rename to later",
    "create index on pedido (id)",
    "truncate pedido",
    "truncate mudanca",
    "insert into schema_migrations values ('1')",
    "delete from schema_migrations",
    "select * from pg_authid",
    "select pg_read_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "copy pedido to program 'cat'",
    "copy pedido to '/tmp/pedido'",
    "create role mine",
    "set role postgres",
    "set session authorization postgres",
    "set session_replication_role = replica",
    "alter system set fsync = off",
    "create database mine",
    "select pg_reload_conf()",
]
"""Forbidden to every role of a program."""
FORBIDDEN = {
    "pedidos": [
        "set role pedidos",
        "set role conferente",
        "alter role pedidos password 'x'",
        "update pedido set cliente_id = 'eve'",
        "update pedido set itens = '[]'",
        "update comando set pedido_id = gen_random_uuid()",
    ],
    "estoque": [
        "set role estoque",
        "set role operador",
        "alter role operador password 'x'",
        "insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 1, 1)",
        "update estoque set alvo = 1000000",
        "update estoque set dono = 'eve/a'",
        "delete from estoque",
        "update reserva set quantidade = 1",
        "select * from sync_items('{a/b}', '{A}', '{A}', '{9}', '{false}', '{null}', '{false}')",
        "select sweep_reservas(1)",
    ],
}
OPERADOR = [
    *(f"table {table}" for table in PRIVILEGES["estoque"]),
    "delete from estoque",
    "delete from reserva",
    "insert into outbox default values",
    "update estoque set alvo = 1000000",
    "insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 1, 1)",
    "select * from purge_pedidos(now(), 1, null)",
    "select * from release_lapsed('{A}', '{1}', now())",
    "set role estoque",
    "set role estoque_runtime",
    "alter role operador superuser",
]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def runtime(backing: System, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection with the program's own address."""
    connection = await asyncpg.connect(backing.service_env(service)["DATABASE_URL"])
    yield connection
    await connection.close()


async def test_a_service_has_these_privileges_and_no_others(
    runtime: "asyncpg.Connection[Any]", service: str, backing: System
):
    role = f"{service}_runtime"
    owner = await asyncpg.connect(backing.database_url(service))
    granted = {name: set(found or ()) for name, found in await owner.fetch(GRANTED, role)}
    updatable = {name: set(found) for name, found in await owner.fetch(UPDATABLE, role)}
    await owner.close()
    assert granted == PRIVILEGES[service], "a migration that adds a table grants what the program does with it"
    assert updatable == COLUMNS[service]
    assert await runtime.fetchval("select current_user") == role
    attributes = "rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
    assert not await runtime.fetchval(f"select {attributes} from pg_roles where rolname = current_user")  # noqa: S608
    assert not await runtime.fetchval(
        "select exists (select from pg_auth_members m where m.member = $1::regrole)", role
    )


async def test_a_service_may_run_each_of_its_statements(runtime: "asyncpg.Connection[Any]", service: str):
    """PostgreSQL checks privileges when it starts to execute a plan, which EXPLAIN does too."""
    packages = (service, "reservaestoque.outbox", "reservaestoque.streams", "reservaestoque.tickets")
    texts = {f"{package}/{name}": text for package in packages for name, text in statements(package).items()}
    assert len(texts) > 15
    for text in texts.values():
        await runtime.execute(f"explain (generic_plan) {text}")


async def test_everything_else_is_refused_to_a_service(runtime: "asyncpg.Connection[Any]", service: str):
    await refused(runtime, [*SCHEMA, *FORBIDDEN[service]])


async def test_everything_but_its_functions_is_refused_to_the_operator(backing: System):
    operador = await asyncpg.connect(backing.database_url("estoque", "operador"))
    await refused(operador, [*SCHEMA, *OPERADOR])
    await operador.close()


async def test_changing_the_database_is_refused_to_the_auditor(backing: System, service: str):
    conferente = await asyncpg.connect(backing.database_url(service, "conferente"))
    await refused(conferente, [*SCHEMA, f"set role {service}", f"set role {service}_runtime"])
    await conferente.close()


async def refused(connection: "asyncpg.Connection[Any]", commands: list[str]) -> None:
    """Runs each separately, because some cannot run in a transaction."""
    accepted = []
    for command in commands:
        try:
            await connection.execute(command)
            accepted.append(command)
        except asyncpg.InsufficientPrivilegeError:
            pass
    assert accepted == []


@pytest.mark.parametrize(("database", "role"), [("estoque", "pedidos_runtime"), ("pedidos", "operador")])
async def test_a_role_of_another_database_cannot_connect(backing: System, database: str, role: str):
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidPasswordError)):
        await asyncpg.connect(backing.database_url(database, role))


# Migrations


async def test_pods_can_wait_for_migrations_with_the_runtime_role(backing: System, service: str):
    folder = ROOT / "services" / service / "db/migrations"
    env = {**os.environ, "DATABASE_URL": backing.service_env(service)["DATABASE_URL"]}
    argv = [sys.executable, "-m", "reservaestoque.migrate", "--migrations-dir", str(folder)]
    waited = await asyncio.to_thread(subprocess.run, [*argv, "--wait"], env=env, check=False, timeout=60)
    assert waited.returncode == 0


async def test_the_runtime_role_cannot_apply_a_migration(backing: System, service: str, tmp_path: Path):
    (tmp_path / "99999999999999_mine.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\n")
    with pytest.raises(MigrationError, match="permission denied"):
        await asyncio.to_thread(migrate, backing.service_env(service)["DATABASE_URL"], tmp_path)


@pytest.fixture
async def without_role(backing: System, service: str) -> str:
    """The owner's address of a database whose runtime role has no privileges."""
    url = await asyncio.to_thread(database_copies.create_migrated, backing, service, "before_its_role")
    role = f"{service}_runtime"
    owner = await asyncpg.connect(url)
    await owner.execute(f"revoke all on all tables in schema public from {role}")
    await owner.execute(f"revoke connect on database before_its_role from {role}, public")
    await owner.close()
    return url


def grants(service: str) -> str:
    """A migration that grants the runtime role what the baseline grants it."""
    [baseline] = (ROOT / "services" / service / "db/migrations").glob("*_baseline.sql")
    lines = re.findall(rf"^grant .* to {service}_runtime;$", baseline.read_text(), re.MULTILINE)
    tables = [line for line in lines if " on function " not in line]
    assert len(tables) > 5
    connect = f"grant connect on database before_its_role to {service}_runtime;"
    return "\n".join(["-- migrate:up", connect, *tables, "-- migrate:down", ""])


async def test_sessions_of_the_owner_continue_while_the_runtime_role_is_granted_its_privileges(
    backing: System, service: str, without_role: str, tmp_path: Path
):
    """They stay open, one in a transaction, and the role works at once."""
    address = database_copies.address(backing, service, "before_its_role", f"{service}_runtime")
    owner = await asyncpg.connect(without_role)
    begun = owner.transaction()
    await begun.start()
    await owner.execute("insert into mudanca default values")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(address)
    (tmp_path / "99999999999999_grants.sql").write_text(grants(service))
    await asyncio.to_thread(migrate, without_role, tmp_path)
    await owner.execute("insert into mudanca default values")
    await begun.commit()
    runtime = await asyncpg.connect(address)
    assert await runtime.fetchval("select count(*) from mudanca") == 3
    await runtime.execute("insert into mudanca default values")
    await owner.execute("insert into mudanca default values")
    await runtime.close()
    await owner.close()


async def test_a_missing_role_is_named(backing: System, service: str):
    """The migration then changes nothing."""
    url = database_copies.create(backing, service, "before_its_role")
    folder = ROOT / "services" / service / "db/migrations"
    role = f"{service}_runtime"
    backing.psql(service, f"alter role {role} rename to elsewhere;")
    try:
        with pytest.raises(MigrationError, match=f'role "{role}" is missing: create it'):
            await asyncio.to_thread(migrate, url, folder)
    finally:
        backing.psql(service, f"alter role elsewhere rename to {role};")
        backing.psql(service, f"alter role {role} password '{backing.layout.secrets[role]}';")
    owner = await asyncpg.connect(url)
    assert await owner.fetchval("select to_regclass('public.pedido')") is None
    await owner.close()
    await asyncio.to_thread(migrate, url, folder)


async def test_a_second_login_role_has_the_rights_of_the_first(backing: System, service: str):
    """This way a password changes without a rejected connection (docs/production.md, Passwords)."""
    backing.psql(service, f"create role second login in role {service}_runtime password 'second';")
    try:
        port = getattr(backing.layout.ports, f"postgres_{service}")
        second = await asyncpg.connect(f"postgres://second:second@127.0.0.1:{port}/{service}?sslmode=disable")
        for text in statements(service).values():
            await second.execute(f"explain (generic_plan) {text}")
        await refused(second, ["create table mine (n int)", "truncate mudanca"])
        await second.close()
    finally:
        backing.psql(service, "drop role second;")
