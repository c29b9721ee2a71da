"""Databases that vanish, turn read-only or change under the programs: which requests are served again, and when."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import psutil
import pytest
from program import Program, by_way_of, running
from waiting import until
from wire import Wire

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

SKU = "OUTAGE"
RECOVERY_SECONDS = 10


class Shop(NamedTuple):
    """pedidos and estoque, each on a wire to its database."""

    pedidos: Program
    estoque: Program
    pedidos_wire: Wire
    estoque_wire: Wire
    client: httpx.AsyncClient

    async def order(self, wait: int = 0, **headers: str) -> httpx.Response:
        body = {"clienteId": "ana", "itens": [{"sku": SKU, "quantidade": 1}]}
        if wait:
            headers["Prefer"] = f"wait={wait}"
        return await self.client.post(f"{self.pedidos.url}/pedidos", json=body, headers=headers)


@pytest.fixture
async def shop(
    backing: System, estoque_db: asyncpg.Pool, pedidos_db: asyncpg.Pool, tmp_path: Path
) -> AsyncIterator[Shop]:
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ($1, '', 100000, 100000)", SKU)
    ports = backing.layout.ports
    env = {name: backing.service_env(name) for name in ("pedidos", "estoque")}
    async with (
        Wire(ports.postgres_pedidos) as pedidos_wire,
        Wire(ports.postgres_estoque) as estoque_wire,
        running(
            "pedidos",
            tmp_path / "pedidos.log",
            DATABASE_URL=by_way_of(pedidos_wire.port, env["pedidos"]["DATABASE_URL"]),
            AMQP_URL=env["pedidos"]["AMQP_URL"],
        ) as pedidos,
        running(
            "estoque",
            tmp_path / "estoque.log",
            DATABASE_URL=by_way_of(estoque_wire.port, env["estoque"]["DATABASE_URL"]),
            AMQP_URL=env["estoque"]["AMQP_URL"],
        ) as estoque,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        shop = Shop(pedidos, estoque, pedidos_wire, estoque_wire, client)
        answer = await shop.order(wait=10)
        assert (answer.status_code, answer.json()["status"]) == (201, "EstoqueReservado")
        yield shop


async def seconds_until(condition: Callable[[], Awaitable[bool]]) -> float:
    """The seconds until `condition` holds five times in a row."""
    began = held_since = time.monotonic()
    in_a_row = 0
    while in_a_row < 5:
        if not await condition():
            in_a_row = 0
        else:
            held_since = held_since if in_a_row else time.monotonic()
            in_a_row += 1
        assert time.monotonic() - began < 90
        await asyncio.sleep(0.05)
    return held_since - began


async def test_orders_are_accepted_soon_after_the_database_of_pedidos_vanished(shop: Shop):
    """New connections reach it. It took a minute, and GETs 35 s."""
    known = (await shop.order()).json()["pedidoId"]
    answers: list[tuple[int, float]] = []

    async def ordering() -> bool:
        began = time.monotonic()
        answer = await shop.order()
        answers.append((answer.status_code, time.monotonic() - began))
        return answer.status_code == 202

    async def reading() -> bool:
        return (await shop.client.get(f"{shop.pedidos.url}/pedidos/{known}")).status_code == 200

    async def ready() -> bool:
        return await shop.pedidos.ready(shop.client)

    shop.pedidos_wire.vanish()
    took = await asyncio.gather(*map(seconds_until, (ordering, reading, ready)))
    assert max(took) < RECOVERY_SECONDS, took
    assert {status for status, _ in answers} <= {202, 503}
    assert max(seconds for _, seconds in answers) < RECOVERY_SECONDS
    assert (await shop.order(wait=10)).json()["status"] == "EstoqueReservado", "estoque's answers arrive again"


async def test_orders_are_decided_soon_after_the_database_of_estoque_vanished(shop: Shop):
    async def deciding() -> bool:
        return (await shop.order(wait=5)).status_code == 201

    async def reading() -> bool:
        return (await shop.client.get(f"{shop.estoque.url}/estoque/{SKU}")).status_code == 200

    async def ready() -> bool:
        return await shop.estoque.ready(shop.client)

    shop.estoque_wire.vanish()
    took = await asyncio.gather(*map(seconds_until, (deciding, reading, ready)))
    assert max(took) < RECOVERY_SECONDS, took


@pytest.fixture(scope="module")
def new_primary(backing: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The address of pedidos' database after the fail-over."""
    config = Config(state=tmp_path_factory.mktemp("primary"), ports=Ports.free(), parts={"postgres-pedidos"})
    with System(config) as system:
        role = "pedidos_runtime"
        system.psql("pedidos", f"alter role {role} password '{backing.layout.secrets[role]}'")
        yield system


def take_writes(system: System, value: str) -> None:
    system.psql("pedidos", f"alter system set default_transaction_read_only = {value}")
    system.psql("pedidos", "select pg_reload_conf()")
    # Sessions are ended before a new one begins with it.
    deadline = time.monotonic() + 10
    while system.psql("pedidos", "show default_transaction_read_only").strip() != value:
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_pedidos_survives_a_fail_over_that_leaves_connections_open(
    backing: System, shop: Shop, new_primary: System
):
    """They lead to the old primary, which no longer takes writes: once, the program had to be restarted."""

    async def ordering() -> bool:
        return (await shop.order()).status_code == 202

    shop.pedidos_wire.target_port = new_primary.layout.ports.postgres_pedidos
    take_writes(backing, "on")
    try:
        assert await seconds_until(ordering) < RECOVERY_SECONDS
        assert await shop.pedidos.ready(shop.client)

        async def told_at_once() -> bool:
            began = time.monotonic()
            decided = (await shop.order(wait=6)).status_code == 201
            return decided and time.monotonic() - began < 3

        # Notifications come from the new primary too.
        assert await seconds_until(told_at_once) < 3 * RECOVERY_SECONDS
    finally:
        take_writes(backing, "off")


async def test_orders_are_refused_with_the_reason_while_an_administrator_blocks_writes(backing: System, shop: Shop):
    known = (await shop.order()).json()["pedidoId"]
    take_writes(backing, "on")
    try:
        refused = await until(lambda: refusal(shop))
        assert "read-only" in refused["detail"]
        assert (await shop.client.get(f"{shop.pedidos.url}/pedidos/{known}")).status_code == 200
        assert await shop.pedidos.ready(shop.client)
    finally:
        take_writes(backing, "off")

    async def accepted() -> bool:
        return (await shop.order(wait=10)).status_code == 201

    await until(accepted)


async def refusal(shop: Shop) -> Any:
    answer = await shop.order()
    return answer.json() if answer.status_code == 503 else None


async def test_a_column_that_changes_its_type_stops_no_program(
    backing: System, shop: Shop, estoque_db: asyncpg.Pool, pedidos_db: asyncpg.Pool
):
    """A prepared statement that no longer fits ended estoque, and put a lone command into the dead letters."""
    changes = (
        (estoque_db, "alter table pedido alter versao type {}", "bigint", "integer"),
        (estoque_db, "alter table outbox alter versoes type {}", "bigint[]", "integer[]"),
        (pedidos_db, "alter table comando alter se_versao type {}", "bigint", "integer"),
    )
    try:
        for pool, change, new, _ in changes:
            await pool.execute(change.format(new))
            created = (await shop.order(wait=10)).json()
            assert created["status"] == "EstoqueReservado"
            closed = await shop.client.post(
                f"{shop.pedidos.url}/pedidos/{created['pedidoId']}/fechar", headers={"Prefer": "wait=10"}
            )
            assert (closed.status_code, closed.json()["status"]) == (200, "Fechado")
    finally:
        for pool, change, _, old in changes:
            await pool.execute(change.format(old))
    assert "event_dead_lettered" not in shop.estoque.log() + shop.pedidos.log()


async def test_waiting_requests_are_answered_in_time_though_the_database_freezes(backing: System, shop: Shop):
    """The order is committed: without its id the customer would order again."""
    shop.estoque.freeze()
    began = time.monotonic()
    ordering = asyncio.create_task(shop.order(wait=3))
    await asyncio.sleep(1)
    server = psutil.Process(backing.states()["postgres-pedidos"].pid)
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    try:
        answer = await ordering
        took = time.monotonic() - began
    finally:
        for process in frozen:
            process.send_signal(signal.SIGCONT)
        shop.estoque.thaw()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/pedidos/{answer.json()['pedidoId']}"
    assert 3 <= took < 4

    async def decided() -> bool:
        return (await shop.client.get(f"{shop.pedidos.url}{answer.headers['location']}/status")).json()[
            "status"
        ] != "Criado"

    await until(decided, 60)
