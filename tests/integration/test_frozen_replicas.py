"""A replica that stops in the middle of a transaction, as on a frozen node: the others continue without it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from program import Program, running
from waiting import until

from local_system import System
from reservaestoque.bus.consumer import PREFETCH

pytestmark = pytest.mark.integration

LOCKED, OTHER = "LOCKED", "OTHER"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=90) as client:
        yield client


@contextlib.asynccontextmanager
async def replicas(backing: System, name: str, count: int, folder: Path) -> AsyncIterator[list[Program]]:
    async with contextlib.AsyncExitStack() as stack:
        settings = backing.service_env(name)
        yield [
            await stack.enter_async_context(running(name, folder / f"{name}-{n}.log", **settings))
            for n in range(count)
        ]


async def freeze_at(
    table: str, pool: asyncpg.Pool, programs: Sequence[Program], begin: Callable[[], Awaitable[object]]
) -> tuple[Program, asyncio.Future[object]]:
    """Freezes the program in its transaction, when `begin` makes it write to `table`, with the locks it holds."""
    async with pool.acquire() as gate, gate.transaction():
        await gate.execute(f"lock table {table} in share mode")
        begun = asyncio.ensure_future(begin())

        async def waiting() -> asyncpg.Record | None:
            return await pool.fetchrow(
                "select a.pid, a.client_port from pg_stat_activity a join pg_locks l on l.pid = a.pid "
                "where l.relation = $1::text::regclass and not l.granted and a.application_name = $2",
                table,
                programs[0].name,
            )

        backend = await until(waiting, 10)
        [program] = [p for p in programs if has_connection(p, backend["client_port"])]
        program.freeze()

    async def idle() -> bool:
        state = await pool.fetchval("select state from pg_stat_activity where pid = $1", backend["pid"])
        return str(state) == "idle in transaction"

    await until(idle, 2)
    return program, begun


def has_connection(program: Program, port: int) -> bool:
    return any(c.laddr[1] == port for c in psutil.Process(program.process.pid).net_connections("tcp"))


def order(client: httpx.AsyncClient, to: Program, sku: str, **headers: str) -> Awaitable[httpx.Response]:
    body = {"clienteId": "ana", "itens": [{"sku": sku, "quantidade": 1}]}
    return client.post(f"{to.url}/pedidos", json=body, headers=headers)


async def reserve(client: httpx.AsyncClient, to: Program, sku: str) -> str:
    """Reserves an order; returns the address at which it is closed."""
    return f"{to.url}{(await order(client, to, sku, Prefer='wait=5')).headers['Location']}/fechar"


async def timed(call: Awaitable[httpx.Response]) -> tuple[int, float]:
    began = time.monotonic()
    return (await call).status_code, time.monotonic() - began


async def test_unrelated_requests_do_not_wait_for_the_keys_that_a_frozen_replica_claims(
    backing: System, pedidos_db: asyncpg.Pool, client: httpx.AsyncClient, tmp_path: Path
):
    keys = [f"frozen-{n}" for n in range(5)]
    async with replicas(backing, "pedidos", 2, tmp_path) as programs:

        async def repeat(to: Program, prefix: str = "") -> list[tuple[int, float]]:
            headers = [{"Idempotency-Key": prefix + key} for key in keys]
            return await asyncio.gather(*[timed(order(client, to, OTHER, **each)) for each in headers])

        # All its connections have prepared the statements: one that is being prepared does not count as idle.
        for n in range(20):
            await repeat(programs[0], f"before-{n}-")
        before = await pedidos_db.fetchval("select count(*) from pedido")
        frozen, begun = await freeze_at("outbox", pedidos_db, programs, lambda: repeat(programs[0]))
        assert frozen is programs[0]
        strangers: list[tuple[int, float]] = []
        repeating = asyncio.create_task(repeat(programs[1]))
        for _ in range(30):
            strangers += await asyncio.gather(*[timed(order(client, programs[1], OTHER)) for _ in range(5)])
            await asyncio.sleep(0.05)
        assert {status for status, _ in strangers} == {202}
        assert max(seconds for _, seconds in strangers) < 1.5, "a lock that they do not need does not delay them"
        assert max(seconds for _, seconds in await repeating) < 4

        async def repeated() -> bool:
            return {status for status, _ in await repeat(programs[1])} == {202}

        await until(repeated, 10)
        frozen.thaw()
        await begun
    assert await pedidos_db.fetchval("select count(*) from pedido") == before + len(keys) + len(strangers)


async def test_orders_of_other_skus_do_not_wait_for_one_that_a_frozen_replica_has_locked(
    backing: System, estoque_db: asyncpg.Pool, pedidos_db: asyncpg.Pool, client: httpx.AsyncClient, tmp_path: Path
):
    """Messages delivered to the frozen replica wait until the broker notices; the others are decided."""
    for sku in (LOCKED, OTHER):
        await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ($1, '', 999, 999)", sku)
    async with (
        replicas(backing, "pedidos", 1, tmp_path) as [pedidos],
        replicas(backing, "estoque", 2, tmp_path) as programs,
    ):
        # New orders are reserved in one statement, which a frozen process cannot keep open: a close is a transaction.
        for _ in range(20):  # prepares the statements of a close
            await client.post(await reserve(client, pedidos, OTHER), headers={"Prefer": "wait=5"})
        close = await reserve(client, pedidos, LOCKED)
        frozen, begun = await freeze_at("reserva", estoque_db, programs, lambda: client.post(close))
        await begun

        async def decided(sku: str) -> int:
            return int(
                await pedidos_db.fetchval(
                    "select count(*) from pedido where status <> 'Criado' and itens -> 0 ->> 'sku' = $1", sku
                )
            )

        before, others = await decided(OTHER), 2 * PREFETCH
        for n in range(others):
            await order(client, pedidos, OTHER)
            if n % 8 == 0:
                await order(client, pedidos, LOCKED)
            await asyncio.sleep(0.02)  # one message each

        async def those_of_the_healthy_one() -> bool:
            return await decided(OTHER) >= before + others - PREFETCH

        await until(those_of_the_healthy_one, 5)

        async def all_of_them() -> bool:
            return await decided(OTHER) == before + others and await decided(LOCKED) == 1 + others // 8

        await until(all_of_them, 60)
        frozen.thaw()
        healthy = next(program for program in programs if program is not frozen)
        assert "event_dead_lettered" not in healthy.log()


async def test_orders_of_other_skus_do_not_wait_for_many_orders_of_one_that_an_administrator_has_locked(
    backing: System, estoque_db: asyncpg.Pool, pedidos_db: asyncpg.Pool, client: httpx.AsyncClient, tmp_path: Path
):
    """More messages than the broker delivers to a consumer."""
    for sku in (LOCKED, OTHER):
        await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ($1, '', 999, 999)", sku)
    async with (
        replicas(backing, "pedidos", 1, tmp_path) as [pedidos],
        replicas(backing, "estoque", 1, tmp_path),
        estoque_db.acquire() as administrator,
    ):
        transaction = administrator.transaction()
        await transaction.start()
        await administrator.execute("update estoque set nome = 'x' where sku = $1", LOCKED)
        for _ in range(3 * PREFETCH):
            await order(client, pedidos, LOCKED)
            await asyncio.sleep(0.02)  # one message each
        waits = [await timed(order(client, pedidos, OTHER, Prefer="wait=10")) for _ in range(10)]
        assert {status for status, _ in waits} == {201}
        assert max(seconds for _, seconds in waits) < 5
        await transaction.rollback()

        async def all_decided() -> bool:
            return not await pedidos_db.fetchval("select count(*) from pedido where status = 'Criado'")

        await until(all_decided, 20)
    assert await estoque_db.fetchval("select reservado from estoque where sku = $1", LOCKED) == 3 * PREFETCH
