"""Snapshots give way to whoever waits for their locks: a migration, and everybody behind it.

A snapshot is stopped in the middle by a lock on `comando`, which is read after `pedido`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import copias as copias_de_bancos
import pytest

from conferir import prova
from conferir.concordancia import Criterio
from conferir.foto import Bancos, LockWantedError, fotografar_ambos
from conferir.violacao import Regra, Violacao
from conferir_integration.conftest import endereco
from conferir_integration.mundo import CARENCIA, Mundo, nova_ronda
from conferir_integration.test_programa import enderecos, executar
from local_system import System

pytestmark = pytest.mark.integration

STUCK = "select exists (select from pg_locks where relation = 'comando'::regclass and not granted)"
MIGRATION = "-- migrate:up\nalter table pedido add column teste int;\n-- migrate:down\n"


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


async def until(mundo: Mundo, query: str) -> None:
    async with asyncio.timeout(30):
        while not await mundo.pedidos.fetchval(query):
            await asyncio.sleep(0.02)


@pytest.fixture
async def migration(copias: System, mundo: Mundo, tmp_path: Path) -> AsyncIterator[list[str]]:
    """A command that migrates pedidos as everybody does: there is one more migration, which alters `pedido`."""
    for file in (copias_de_bancos.ROOT / "services/pedidos/db/migrations").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "99990101000001_teste.sql").write_text(MIGRATION)
    yield [sys.executable, "-m", "reservaestoque.migrate", "--migrations-dir", str(tmp_path), "--pause=1s"]
    await mundo.pedidos.execute("alter table pedido drop column if exists teste")
    await mundo.pedidos.execute("delete from schema_migrations where version = '99990101000001'")


async def migrate(copias: System, command: list[str]) -> None:
    env = {"DATABASE_URL": endereco(copias, "pedidos")}
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_the_whole_check_gives_way_to_a_migration_and_starts_again(
    copias: System, mundo: Mundo, leitores: Bancos, migration: list[str]
):
    await mundo.um_dia()
    await mundo.estoque.execute("update estoque set reservado = 99 where sku = 'A'")
    said: list[Violacao] = []
    tries: list[int] = []
    async with transaction(endereco(copias, "pedidos"), "lock table comando in access exclusive mode"):
        check = asyncio.create_task(
            prova.conferir(leitores, Criterio(), CARENCIA, said.append, started_again=tries.append)
        )
        await until(mundo, STUCK)
        await migrate(copias, migration)
        assert not check.done()
    resultado = await check
    assert tries
    assert (resultado.completo, resultado.codigo) == (True, 1)
    assert [violacao.regra for violacao in said] == [Regra.SUPRIMENTO, Regra.CONTADORES]  # once, however many tries
    assert resultado.vistos == {"skus": 2, "reservas": 6, "pedidos": 6, "comandos": 10}


async def test_a_step_of_the_rounds_gives_way_to_a_migration(
    copias: System, mundo: Mundo, leitores: Bancos, migration: list[str]
):
    await mundo.um_dia()
    ronda = nova_ronda(leitores, limite=99)
    async with transaction(endereco(copias, "pedidos"), "lock table comando in access exclusive mode"):
        step = asyncio.create_task(ronda.passo())
        await until(mundo, STUCK)
        await migrate(copias, migration)
        with pytest.raises(LockWantedError):
            await step
    assert await ronda.passo() is False


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
async def test_a_snapshot_of_either_database_ends_when_somebody_waits_for_its_locks(
    copias: System, mundo: Mundo, leitores: Bancos, database: str
):
    with pytest.raises(LockWantedError):
        await hold_until_wanted(leitores, database, endereco(copias, database))


async def hold_until_wanted(leitores: Bancos, database: str, url: str) -> None:
    async with fotografar_ambos(leitores) as fotos:
        await getattr(fotos, database).connection.fetchval("select count(id) from pedido")
        waiter = asyncio.create_task(lock(url))
        try:
            await asyncio.sleep(30)
        finally:
            waiter.cancel()


async def lock(url: str) -> None:
    async with transaction(url, "lock table pedido in access exclusive mode"):
        pass


async def test_it_says_that_it_never_came_to_its_end(copias: System, mundo: Mundo):
    await mundo.um_dia()
    url = endereco(copias, "pedidos")
    async with transaction(url, "lock table comando in access exclusive mode"):
        done = asyncio.create_task(executar(**enderecos(copias)))
        while not done.done():
            if await mundo.pedidos.fetchval(STUCK):
                await lock(url)
            await asyncio.sleep(0.02)
    feito = await done
    assert feito.returncode == 2
    *tries, last = feito.stderr.splitlines()
    assert len(tries) == prova.TRIES - 1
    assert tries[-1].endswith(f"starting again, try {prova.TRIES} of {prova.TRIES}")
    assert last.startswith(f"could not check: it had to give way {prova.TRIES} times")
    assert "Traceback" not in feito.stderr
