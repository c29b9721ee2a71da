"""What those who wait are told at the commit of an answer, on a real PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from local_system import System
from pedidos.command import CommandType, NewCommand
from pedidos.consumer import StatusConsumer
from pedidos.group_commit import GroupCommit
from pedidos.waiters import Waiters
from reservaestoque.events import AtualizarStatus, Item, ItemEmFalta, Motivo, Status, StatusAtualizado, new_id
from reservaestoque.postgres import Connector, ServerWatch

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
APOS = timedelta(seconds=30)


class SemRelay:
    def wake(self) -> None: ...


@pytest.fixture
async def waiters(backing: System, pedidos_db: "Pool[Any]") -> AsyncIterator[Waiters]:
    connector = Connector(backing.database_url("pedidos"))
    waiters = Waiters(connector, ServerWatch(connector, program="pedidos"))
    ouve = asyncio.create_task(waiters.run())
    ouvindo = "select count(*) from pg_stat_activity where application_name = 'pedidos listen' and state = 'idle'"
    async with asyncio.timeout(10):
        while not await pedidos_db.fetchval(ouvindo):
            await asyncio.sleep(0.01)
    yield waiters
    ouve.cancel()


async def criar(pool: "Pool[Any]", quantos: int) -> list[NewCommand]:
    novos = [
        NewCommand(new_id(), new_id(), CommandType.CRIAR, "00-0-0-01", "ana", [Item("A", 1)], None)
        for _ in range(quantos)
    ]
    registro = GroupCommit(pool, SemRelay(), max_batch=200, max_waiting=200, resend_after=APOS)
    await registro.write(novos)
    return novos


def resposta(
    comando: NewCommand, *, versao: int = 1, faltam: int = 0, causa: Any = None, recusa: str | None = None
) -> AtualizarStatus:
    faltas = [ItemEmFalta(f"SKU-{n:050}", 1_000_000, 0, Motivo.SKU_DESCONHECIDO) for n in range(faltam)]
    dados = StatusAtualizado(
        pedido_id=comando.pedido_id,
        status=Status.ESTOQUE_NAO_DISPONIVEL,
        versao=versao,
        causa=causa or comando.id,
        recusa=recusa,
        itens_em_falta=faltas,
    )
    return AtualizarStatus(
        id=f"{comando.pedido_id}:{versao}",
        source="/t",
        subject=comando.pedido_id,
        time=datetime.now(UTC),
        data=dados,
    )


async def aplicar(pool: "Pool[Any]", *eventos: AtualizarStatus) -> None:
    assert await StatusConsumer(pool, ask_after=APOS).handle(eventos) == []


async def test_a_batch_says_of_each_order_what_it_has_become(pedidos_db: "Pool[Any]", waiters: Waiters):
    novos = await criar(pedidos_db, 200)
    with contextlib.ExitStack() as todos:
        subscriptions = {novo.id: todos.enter_context(waiters.subscribe(novo.pedido_id)) for novo in novos}
        await aplicar(pedidos_db, *(resposta(novo, faltam=n % 13) for n, novo in enumerate(novos)))
        async with asyncio.timeout(10):
            await asyncio.gather(*(subscription.wait() for subscription in subscriptions.values()))
    for n, novo in enumerate(novos):
        snapshot = subscriptions[novo.id].snapshot
        if n % 13 < 8:
            assert (snapshot.causa, snapshot.versao, len(snapshot.itens_em_falta)) == (novo.id, 1, n % 13)
            linha = await pedidos_db.fetchrow("select * from pedido where id = $1", novo.pedido_id)
            assert (snapshot.status, snapshot.atualizado_em) == (linha["status"], linha["atualizado_em"])
            assert snapshot.atualizado_em.tzinfo is not None
        else:
            assert snapshot is None, "too long for a notification: to be read"


async def test_an_answer_that_changes_nothing_wakes_without_a_snapshot(pedidos_db: "Pool[Any]", waiters: Waiters):
    [novo] = await criar(pedidos_db, 1)
    await aplicar(pedidos_db, resposta(novo, versao=2, causa=new_id()))
    with waiters.subscribe(novo.pedido_id) as subscription:
        await aplicar(pedidos_db, resposta(novo, versao=1))
        async with asyncio.timeout(10):
            while subscription.snapshot or not subscription.is_set():  # that of version 2 may come in yet
                await asyncio.sleep(0.01)


async def test_of_several_answers_at_once_the_newest_snapshot_counts(pedidos_db: "Pool[Any]", waiters: Waiters):
    [novo] = await criar(pedidos_db, 1)
    fechar = new_id()
    with waiters.subscribe(novo.pedido_id) as subscription:
        await aplicar(
            pedidos_db,
            resposta(novo, versao=1),
            resposta(novo, versao=2, causa=fechar, recusa="PedidoEncerrado"),
        )
        async with asyncio.timeout(10):
            await subscription.wait()
    assert (subscription.snapshot.versao, subscription.snapshot.causa, subscription.snapshot.recusa) == (
        2,
        fechar,
        "PedidoEncerrado",
    )
