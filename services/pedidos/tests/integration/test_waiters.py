"""The notifications that waiters receive at the commit of an answer, on a real PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from no_relay import NoRelay

from local_system import System
from pedidos.command import NewCommand, creation
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler
from pedidos.waiters import Waiters
from reservaestoque.events import AtualizarStatus, Item, ItemEmFalta, Motivo, Status, StatusAtualizado, new_id
from reservaestoque.postgres import Connector, ServerWatch

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
AFTER = timedelta(seconds=30)


@pytest.fixture
async def waiters(backing: System, pedidos_db: "Pool[Any]") -> AsyncIterator[Waiters]:
    connector = Connector(backing.database_url("pedidos"))
    waiters = Waiters(connector, ServerWatch(connector, program="pedidos"))
    listens = asyncio.create_task(waiters.run())
    listening = "select count(*) from pg_stat_activity where application_name = 'pedidos listen' and state = 'idle'"
    async with asyncio.timeout(10):
        while not await pedidos_db.fetchval(listening):
            await asyncio.sleep(0.01)
    yield waiters
    listens.cancel()


async def criar(pool: "Pool[Any]", count: int) -> list[NewCommand]:
    new_ones = [creation(new_id(), "00-0-0-01", "ana", [Item("A", 1)]) for _ in range(count)]
    group_commit = GroupCommit(pool, NoRelay(), max_batch=200, max_waiting=200, resend_after=AFTER)
    await group_commit.write(new_ones)
    return new_ones


def response(
    comando: NewCommand, *, versao: int = 1, lacking: int = 0, causa: Any = None, recusa: str | None = None
) -> AtualizarStatus:
    shortages = [ItemEmFalta(f"SKU-{n:050}", 1_000_000, 0, Motivo.SKU_DESCONHECIDO) for n in range(lacking)]
    data = StatusAtualizado(
        pedido_id=comando.pedido_id,
        status=Status.ESTOQUE_NAO_DISPONIVEL,
        versao=versao,
        causa=causa or comando.id,
        recusa=recusa,
        itens_em_falta=shortages,
    )
    return AtualizarStatus(
        id=f"{comando.pedido_id}:{versao}",
        source="/t",
        subject=comando.pedido_id,
        time=datetime.now(UTC),
        data=data,
    )


async def apply(pool: "Pool[Any]", *events: AtualizarStatus) -> None:
    assert await StatusHandler(pool, resend_after=AFTER).handle(events) == []


async def test_a_batch_notifies_each_orders_new_snapshot(pedidos_db: "Pool[Any]", waiters: Waiters):
    new_ones = await criar(pedidos_db, 200)
    with contextlib.ExitStack() as everything:
        subscriptions = {new.id: everything.enter_context(waiters.subscribe(new.pedido_id)) for new in new_ones}
        await apply(pedidos_db, *(response(new, lacking=n % 13) for n, new in enumerate(new_ones)))
        async with asyncio.timeout(10):
            await asyncio.gather(*(subscription.wait() for subscription in subscriptions.values()))
    for n, new in enumerate(new_ones):
        snapshot = subscriptions[new.id].snapshot
        if n % 13 < 8:
            assert (snapshot.causa, snapshot.versao, len(snapshot.itens_em_falta)) == (new.id, 1, n % 13)
            row = await pedidos_db.fetchrow("select * from pedido where id = $1", new.pedido_id)
            assert (snapshot.status, snapshot.atualizado_em) == (row["status"], row["atualizado_em"])
            assert snapshot.atualizado_em.tzinfo is not None
        else:
            assert snapshot is None, "too long for a notification, so it must be read"


async def test_an_answer_that_changes_nothing_wakes_without_a_snapshot(pedidos_db: "Pool[Any]", waiters: Waiters):
    [new] = await criar(pedidos_db, 1)
    await apply(pedidos_db, response(new, versao=2, causa=new_id()))
    with waiters.subscribe(new.pedido_id) as subscription:
        await apply(pedidos_db, response(new, versao=1))
        async with asyncio.timeout(10):
            while subscription.snapshot or not subscription.is_set():  # that of version 2 may still arrive
                await asyncio.sleep(0.01)


async def test_the_newest_snapshot_of_several_simultaneous_answers_counts(pedidos_db: "Pool[Any]", waiters: Waiters):
    [new] = await criar(pedidos_db, 1)
    fechar = new_id()
    with waiters.subscribe(new.pedido_id) as subscription:
        await apply(
            pedidos_db,
            response(new, versao=1),
            response(new, versao=2, causa=fechar, recusa="PedidoEncerrado"),
        )
        async with asyncio.timeout(10):
            await subscription.wait()
    assert (subscription.snapshot.versao, subscription.snapshot.causa, subscription.snapshot.recusa) == (
        2,
        fechar,
        "PedidoEncerrado",
    )
