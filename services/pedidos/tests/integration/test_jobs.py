"""Resends and retention on a real PostgreSQL: lost messages are resent, old rows purged, no others touched."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from no_relay import NoRelay

from pedidos.command import CommandType, IdempotencyKey, NewCommand
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import (
    AtualizarStatus,
    CancelarPedido,
    Item,
    PedidoCancelado,
    Status,
    StatusAtualizado,
    new_id,
)
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
NOW, NEVER = timedelta(microseconds=1), timedelta(days=1)


def group_commit(pool: "Pool[Any]", resend_after: timedelta = NOW) -> GroupCommit:
    return GroupCommit(pool, NoRelay(), max_batch=9, max_waiting=9, resend_after=resend_after)


def new(key: IdempotencyKey | None = None) -> NewCommand:
    return NewCommand(new_id(), new_id(), CommandType.CRIAR, "00-0-0-01", "ana", [Item("A", 1)], key)


async def answer(
    pool: "Pool[Any]", comando: NewCommand, status: Status, versao: int = 1, vale: timedelta = NEVER
) -> None:
    now = await pool.fetchval("select agora()")
    expira_em = now + vale if status == Status.ESTOQUE_RESERVADO else None
    data = StatusAtualizado(
        pedido_id=comando.pedido_id, status=status, versao=versao, causa=comando.id, expira_em=expira_em
    )
    event = AtualizarStatus(
        id=f"{comando.pedido_id}:{versao}", source="/t", subject=comando.pedido_id, time=now, data=data
    )
    assert await StatusHandler(pool, ask_after=NOW).handle([event]) == []


async def na_outbox(pool: "Pool[Any]") -> list[UUID]:
    return [row["comando_id"] for row in await pool.fetch("select comando_id from outbox order by id")]


def resend(pool: "Pool[Any]", until: timedelta = NEVER, horizon: timedelta = NEVER) -> Resend:
    return Resend(pool, NoRelay(), after=NOW, until=until, horizon=horizon)


async def retain(pool: "Pool[Any]", periods: RetentionPeriods) -> bool:
    """Runs a step of each retention job; returns whether there is more to do."""
    return any([await step() for step in retention_jobs(pool, group_commit(pool), periods).values()])


async def test_unanswered_commands_are_sent_again_with_the_same_id_ever_more_rarely(pedidos_db: "Pool[Any]"):
    unheard, heard = new(), new()
    await group_commit(pedidos_db).write([unheard, heard])
    await answer(pedidos_db, heard, Status.ESTOQUE_RESERVADO)
    await pedidos_db.execute("delete from outbox")
    for _ in (1, 2, 3):
        await resend(pedidos_db).step()
        assert await na_outbox(pedidos_db) == [unheard.id]
        await pedidos_db.execute("delete from outbox")  # published
    row = await pedidos_db.fetchrow("select envios, reenviar_em from comando where id = $1", unheard.id)
    assert row["envios"] == 4
    assert row["reenviar_em"] is not None


async def test_command_that_was_never_published_waits_however_long_and_only_once(pedidos_db: "Pool[Any]"):
    unheard = new()
    await group_commit(pedidos_db).write([unheard])
    for _ in (1, 2, 3):
        await resend(pedidos_db, until=NOW).step()
        await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NEVER, NEVER))
    assert await na_outbox(pedidos_db) == [unheard.id]
    assert await pedidos_db.fetchval("select reenviar_em is not null from comando where id = $1", unheard.id)


async def test_resends_wait_for_their_time_and_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    await group_commit(pedidos_db, resend_after=NEVER).write([new()])
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db).step()
    assert await na_outbox(pedidos_db) == []
    await pedidos_db.execute("update comando set reenviar_em = agora()")
    await resend(pedidos_db, until=NOW).step()
    assert await na_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select reenviar_em from comando") is None, "given up"


async def test_reservation_whose_expiry_notice_is_missing_is_asked_about_ever_more_rarely(pedidos_db: "Pool[Any]"):
    """The sweep answers no command: if its message is lost, nothing else reports the lapse."""
    reservado, closed = new(), new()
    await group_commit(pedidos_db).write([reservado, closed])
    await answer(pedidos_db, reservado, Status.ESTOQUE_RESERVADO, vale=NOW)
    await answer(pedidos_db, closed, Status.ESTOQUE_RESERVADO, vale=NOW)
    await answer(pedidos_db, closed, Status.FECHADO, versao=2)
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db).step()
    assert await na_outbox(pedidos_db) == [reservado.id]
    next_one = await pedidos_db.fetchrow(
        "select perguntar_em - agora() as em, agora() - expira_em as ha from pedido where id = $1",
        reservado.pedido_id,
    )
    assert timedelta() < next_one["em"] <= next_one["ha"], "the next one after the same time again"
    await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NEVER, NEVER))
    assert [r["id"] for r in await pedidos_db.fetch("select id from comando")] == [reservado.id], (
        "kept for the follow-up"
    )

    await answer(pedidos_db, reservado, Status.RESERVA_EXPIRADA, versao=2)
    assert await pedidos_db.fetchval("select count(perguntar_em) from pedido") == 0


async def test_questions_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.ESTOQUE_RESERVADO, vale=NOW)
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db, until=NOW).step()
    assert await na_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select perguntar_em from pedido") is None


async def test_answer_is_noted_whatever_its_version(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.ESTOQUE_RESERVADO, versao=3)
    fechar = NewCommand(new_id(), criado.pedido_id, CommandType.FECHAR, "00-0-0-01", "ana")
    await group_commit(pedidos_db).write([fechar])
    await answer(pedidos_db, fechar, Status.ESTOQUE_RESERVADO, versao=2)
    assert await pedidos_db.fetchval("select count(*) from comando where respondido_em is null") == 0
    assert await pedidos_db.fetchval("select versao from pedido") == 3, "versions never go backwards"


async def test_retention_forgets_what_is_old_and_ended_only(pedidos_db: "Pool[Any]"):
    closed, alive, unheard = (new(IdempotencyKey("ana", "/pedidos", str(n), b"")) for n in range(3))
    await group_commit(pedidos_db).write([closed, alive, unheard])
    await pedidos_db.execute("delete from outbox")  # published
    await answer(pedidos_db, closed, Status.FECHADO)
    await answer(pedidos_db, alive, Status.ESTOQUE_RESERVADO)
    await pedidos_db.execute("select pg_sleep(0.005)")
    assert await retain(pedidos_db, RetentionPeriods(NEVER, NEVER, NEVER, NEVER)) is False
    assert await pedidos_db.fetchval("select count(*) from pedido") == 3
    assert await pedidos_db.fetchval("select count(*) from idempotencia") == 3

    await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NOW, NEVER))
    assert {r["id"] for r in await pedidos_db.fetch("select id from pedido")} == {alive.pedido_id, unheard.pedido_id}
    left = {r["id"] for r in await pedidos_db.fetch("select id from comando")}
    assert left == {unheard.id, alive.id}, "unanswered commands, and those needed to follow up on a live reservation"
    assert await pedidos_db.fetchval("select count(*) from idempotencia") == 0


async def test_abandoned_orders_are_cancelled_by_an_ordinary_command_once(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.RESERVA_EXPIRADA)
    for _replica in (1, 2):
        await retain(pedidos_db, RetentionPeriods(NEVER, NOW, NEVER, NEVER))
    comandos = await pedidos_db.fetch(
        "select tipo, se_versao from comando where pedido_id = $1 order by id", criado.pedido_id
    )
    assert [tuple(c) for c in comandos] == [("PedidoCriado", None), ("CancelarPedido", 1)]


async def test_an_abandoned_order_is_cancelled_only_while_it_has_the_version_that_was_seen(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.RESERVA_EXPIRADA, versao=4)
    await retain(pedidos_db, RetentionPeriods(NEVER, NOW, NEVER, NEVER))
    facts = await pedidos_db.fetch(Queries("pedidos")["tomar_outbox"], 9, [], 2**62)
    [cancelar] = [e for e in map(to_event, facts) if isinstance(e, CancelarPedido)]
    assert cancelar.data == PedidoCancelado(pedido_id=criado.pedido_id, versao=4, versao_conhecida=4)


@pytest.mark.parametrize(("versao", "fica"), [(1, 2), (2, 2), (3, 3)])
async def test_a_snapshot_that_waited_for_another_one_sees_its_version(
    pedidos_db: "Pool[Any]", versao: int, fica: int
):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    async with pedidos_db.acquire() as another, another.transaction():
        await another.execute("update pedido set status = 'Cancelado', versao = 2 where id = $1", criado.pedido_id)
        wait = asyncio.create_task(answer(pedidos_db, criado, Status.ESTOQUE_RESERVADO, versao))
        blocked = "select count(*) from pg_locks where not granted"
        while not await pedidos_db.fetchval(blocked):
            await asyncio.sleep(0.01)
        assert not wait.done()
    await wait
    assert await pedidos_db.fetchval("select versao from pedido where id = $1", criado.pedido_id) == fica
    answered = "select respondido_em is not null and reenviar_em is null from comando where id = $1"
    assert await pedidos_db.fetchval(answered, criado.id)


async def test_same_key_within_one_batch_and_across_batches(pedidos_db: "Pool[Any]"):
    key = IdempotencyKey("ana", "/pedidos", "k", b"1")
    one, two, other = new(key), new(key), new(IdempotencyKey("ana", "/pedidos", "k", b"2"))
    first, segundo, reused = await group_commit(pedidos_db).write([one, two, other])
    assert (first.pedido_id, segundo.pedido_id) == (one.pedido_id, one.pedido_id)
    assert "another body" in str(reused)
    [third] = await group_commit(pedidos_db).write([new(key)])
    assert (third.pedido_id, third.command_id) == (one.pedido_id, one.id)
    assert await pedidos_db.fetchval("select count(*) from pedido") == 1
