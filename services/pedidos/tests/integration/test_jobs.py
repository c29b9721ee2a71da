"""Resends and retention on a real PostgreSQL: lost messages are resent, old rows purged, no others touched."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from buffers import Metered
from no_relay import NoRelay

from pedidos.command import CommandType, IdempotencyKey, NewCommand, creation
from pedidos.events import event_of, to_event
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import (
    AtualizarStatus,
    CancelarPedido,
    Item,
    PedidoCancelado,
    PedidoCriado,
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
    return creation(new_id(), "00-0-0-01", "ana", [Item("A", 1)], key)


def closing(order: NewCommand) -> NewCommand:
    return NewCommand(new_id(), order.pedido_id, CommandType.FECHAR, "00-0-0-01", "ana")


async def answer(
    pool: "Pool[Any]", comando: NewCommand, status: Status, versao: int = 1, vale: timedelta = NEVER
) -> None:
    await answers(pool, (comando, status, versao, None), vale=vale)


async def answers(
    pool: "Pool[Any]", *answered: tuple[NewCommand, Status, int, str | None], vale: timedelta = NEVER
) -> None:
    """Delivers the answers to commands, each with its status, version and refusal, in one batch."""
    now = await pool.fetchval("select agora()")
    events = []
    for comando, status, versao, recusa in answered:
        expira_em = now + vale if status == Status.ESTOQUE_RESERVADO else None
        data = StatusAtualizado(
            pedido_id=comando.pedido_id,
            status=status,
            versao=versao,
            causa=comando.id,
            recusa=recusa,
            expira_em=expira_em,
        )
        events.append(
            AtualizarStatus(
                id=f"{comando.pedido_id}:{versao}", source="/t", subject=comando.pedido_id, time=now, data=data
            )
        )
    assert await StatusHandler(pool, resend_after=NOW).handle(events) == []


async def in_outbox(pool: "Pool[Any]") -> list[UUID]:
    return [row["id"] for row in await pool.fetch("select unnest(comandos) as id from outbox order by outbox.id")]


def resend(pool: Any, until: timedelta = NEVER, horizon: timedelta = NEVER) -> Resend:
    return Resend(pool, NoRelay(), after=NOW, until=until, horizon=horizon)


async def retain(pool: "Pool[Any]", periods: RetentionPeriods) -> bool:
    """Runs a step of each retention job; returns whether there is more to do."""
    return any([await step() for step in retention_jobs(pool, group_commit(pool), periods).values()])


async def test_undecided_orders_are_resent_with_the_same_id_and_exponential_backoff(pedidos_db: "Pool[Any]"):
    unheard, heard = new(), new()
    await group_commit(pedidos_db).write([unheard, heard])
    await answer(pedidos_db, heard, Status.ESTOQUE_RESERVADO)
    for _ in (1, 2, 3):
        await pedidos_db.execute("delete from outbox")  # published
        due = "update pedido set perguntar_em = agora() where versao = 0 returning agora() - criado_em"
        age_before = await pedidos_db.fetchval(due)
        await resend(pedidos_db).step()
        assert await in_outbox(pedidos_db) == [unheard.id]
        row = await pedidos_db.fetchrow(
            "select perguntar_em - criado_em as later, agora() - criado_em as age from pedido where versao = 0"
        )
        assert 2 * age_before <= row["later"] <= 2 * row["age"], "the next one after as long again"
    [fact] = await pedidos_db.fetch(Queries("pedidos")["take_outbox"], 9, [], 2**62, 1000, 0)
    assert event_of(unheard, [Item("A", 1)], fact["criado_em"]) == to_event(fact), "the same event as the first one"


async def test_unanswered_commands_are_resent_with_the_same_id_and_exponential_backoff(pedidos_db: "Pool[Any]"):
    orders = new(), new()
    await group_commit(pedidos_db).write(orders)
    for order in orders:
        await answer(pedidos_db, order, Status.ESTOQUE_RESERVADO)
    unheard, heard = map(closing, orders)
    await group_commit(pedidos_db).write([unheard, heard])
    await answer(pedidos_db, heard, Status.FECHADO, versao=2)
    await pedidos_db.execute("delete from outbox")
    for _ in (1, 2, 3):
        await resend(pedidos_db).step()
        assert await in_outbox(pedidos_db) == [unheard.id]
        await pedidos_db.execute("delete from outbox")  # published
    row = await pedidos_db.fetchrow("select envios, reenviar_em from comando where id = $1", unheard.id)
    assert row["envios"] == 4
    assert row["reenviar_em"] is not None


async def test_an_unpublished_command_stays_in_the_outbox_and_is_not_duplicated(pedidos_db: "Pool[Any]"):
    order = new()
    close = closing(order)
    await group_commit(pedidos_db).write([order, close])
    for _ in (1, 2, 3):
        await resend(pedidos_db, until=NOW).step()
        await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NEVER, NEVER))
    assert await in_outbox(pedidos_db) == [order.id, close.id]
    assert await pedidos_db.fetchval("select reenviar_em is not null from comando where id = $1", close.id)
    assert await pedidos_db.fetchval("select perguntar_em is not null from pedido where id = $1", order.id)


async def test_resends_wait_for_their_time_and_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    order = new()
    await group_commit(pedidos_db, resend_after=NEVER).write([order, closing(order)])
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db).step()
    assert await in_outbox(pedidos_db) == []
    await pedidos_db.execute("update comando set reenviar_em = agora()")
    await pedidos_db.execute("update pedido set perguntar_em = agora()")
    await resend(pedidos_db, until=NOW).step()
    assert await in_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select reenviar_em from comando") is None, "given up"
    assert await pedidos_db.fetchval("select perguntar_em from pedido") is None, "given up"


async def test_two_replicas_may_receive_answers_to_a_creation_and_to_what_overtook_it_at_once(
    pedidos_db: "Pool[Any]",
):
    order = new()
    close = closing(order)
    await group_commit(pedidos_db).write([order, close])
    waiting = "select count(*) from pg_locks where not granted"
    async with pedidos_db.acquire() as another, another.transaction():
        await another.execute("select from pedido for no key update")
        replicas = []
        for command, versao, recusa in ((close, 1, None), (order, 2, "PedidoEncerrado")):
            told = answers(pedidos_db, (command, Status.FECHADO, versao, recusa))
            replicas.append(asyncio.create_task(told))
            while await pedidos_db.fetchval(waiting) < len(replicas):
                await asyncio.sleep(0.01)
    await asyncio.gather(*replicas)
    assert await pedidos_db.fetchval("select versao from pedido") == 2
    rows = await pedidos_db.fetch(
        "select id, recusa, respondido_em is not null, reenviar_em from comando order by tipo"
    )
    assert [tuple(row) for row in rows] == [(close.id, None, True, None), (order.id, "PedidoEncerrado", True, None)]


async def test_resends_read_only_what_is_due_among_many_orders(pedidos_db: "Pool[Any]"):
    """Two in a hundred thousand, while statistics say that an undecided order is as likely as any other."""
    await pedidos_db.execute(
        """
        insert into pedido (id, cliente_id, itens, status, versao, expira_em, perguntar_em)
        select uuidv7_floor(agora() - n * interval '1 s'), 'ana', '[]', 'EstoqueReservado', 1,
            agora() + interval '1 day', agora() + interval '1 day'
        from generate_series(1, 100000) n
        """
    )
    await pedidos_db.execute("analyze pedido")
    orders = new(), new()
    await group_commit(pedidos_db).write([*orders, closing(orders[0])])
    await pedidos_db.execute("delete from outbox")  # published
    async with pedidos_db.acquire() as connection:
        meter = Metered(connection)
        await resend(meter).step()
    assert set(await in_outbox(pedidos_db)) > {order.id for order in orders}
    assert len(meter.pages) == 3, "orders, commands, questions"
    assert max(meter.pages) < 200


@pytest.mark.parametrize("lost", [False, True])
async def test_a_creation_that_a_command_has_overtaken_is_resent_until_it_is_answered(
    pedidos_db: "Pool[Any]", lost: bool
):
    """Every command gives the order a version: without its answer, pedidos would never learn of the last one."""
    order = new()
    close = closing(order)
    await group_commit(pedidos_db).write([order, close])
    await pedidos_db.execute("delete from outbox")  # published; estoque receives the second one first
    await answer(pedidos_db, close, Status.FECHADO)
    await answer(pedidos_db, close, Status.FECHADO)  # redelivered
    if not lost:
        await answer(pedidos_db, order, Status.FECHADO, versao=2)
    await resend(pedidos_db).step()
    assert await in_outbox(pedidos_db) == ([order.id] if lost else [])
    [fact] = await pedidos_db.fetch(Queries("pedidos")["take_outbox"], 9, [], 2**62, 1000, 0) or [None]
    if fact is not None:
        criado_em = await pedidos_db.fetchval("select criado_em from pedido")
        again = to_event(fact)
        assert isinstance(again, PedidoCriado)
        assert (again.id, again.time, again.data.versao_conhecida) == (order.id, criado_em, 1)
    await answer(pedidos_db, order, Status.FECHADO, versao=2)
    assert await pedidos_db.fetchval("select versao from pedido") == 2
    await resend(pedidos_db).step()
    assert await in_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select count(*) from comando where respondido_em is null") == 0


async def test_answers_to_a_creation_and_to_the_command_that_overtook_it_may_share_a_batch(pedidos_db: "Pool[Any]"):
    order = new()
    close = closing(order)
    await group_commit(pedidos_db).write([order, close])
    await answers(pedidos_db, (close, Status.FECHADO, 1, None), (order, Status.FECHADO, 2, "PedidoEncerrado"))
    rows = await pedidos_db.fetch("select id, recusa from comando where respondido_em is not null order by tipo")
    assert [tuple(row) for row in rows] == [(close.id, None), (order.id, "PedidoEncerrado")]
    assert await pedidos_db.fetchval("select count(*) from comando where reenviar_em is not null") == 0


async def test_a_reservation_without_an_expiry_notice_is_asked_about_with_exponential_backoff(
    pedidos_db: "Pool[Any]",
):
    """The sweep answers no command: if its message is lost, nothing else reports the lapse."""
    reservado, closed = new(), new()
    await group_commit(pedidos_db).write([reservado, closed])
    await answer(pedidos_db, reservado, Status.ESTOQUE_RESERVADO, vale=NOW)
    await answer(pedidos_db, closed, Status.ESTOQUE_RESERVADO, vale=NOW)
    await answer(pedidos_db, closed, Status.FECHADO, versao=2)
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db).step()
    assert await in_outbox(pedidos_db) == [reservado.id]
    next_one = await pedidos_db.fetchrow(
        "select perguntar_em - agora() as em, agora() - expira_em as ha from pedido where id = $1",
        reservado.pedido_id,
    )
    assert timedelta() < next_one["em"] <= next_one["ha"], "the next one after as long again"
    await answer(pedidos_db, reservado, Status.RESERVA_EXPIRADA, versao=2)
    assert await pedidos_db.fetchval("select count(perguntar_em) from pedido") == 0


async def test_the_command_that_renewed_a_reservation_is_kept_to_follow_up_on_it(pedidos_db: "Pool[Any]"):
    order = new()
    await group_commit(pedidos_db).write([order])
    await answer(pedidos_db, order, Status.RESERVA_EXPIRADA)
    close, renewal = closing(order), NewCommand(new_id(), order.id, CommandType.RESERVAR, "", "ana")
    await group_commit(pedidos_db).write([close, renewal])
    await answer(pedidos_db, close, Status.ESTOQUE_NAO_DISPONIVEL, versao=2)
    await answer(pedidos_db, renewal, Status.ESTOQUE_RESERVADO, versao=3, vale=NOW)
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db).step()
    assert await in_outbox(pedidos_db) == [renewal.id]
    await pedidos_db.execute("delete from outbox")
    await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NEVER, NEVER))
    assert [r["id"] for r in await pedidos_db.fetch("select id from comando")] == [renewal.id]


async def test_questions_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.ESTOQUE_RESERVADO, vale=NOW)
    await pedidos_db.execute("delete from outbox")
    await resend(pedidos_db, until=NOW).step()
    assert await in_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select perguntar_em from pedido") is None


async def test_an_answer_is_recorded_whatever_its_version(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.ESTOQUE_RESERVADO, versao=3)
    fechar = closing(criado)
    await group_commit(pedidos_db).write([fechar])
    await answer(pedidos_db, fechar, Status.ESTOQUE_RESERVADO, versao=2)
    assert await pedidos_db.fetchval("select count(*) from comando where respondido_em is null") == 0
    assert await pedidos_db.fetchval("select versao from pedido") == 3, "versions never go backwards"


async def test_retention_purges_only_what_is_old_and_has_ended(pedidos_db: "Pool[Any]"):
    closed, alive, unheard = (new(IdempotencyKey("ana", "/pedidos", str(n), b"")) for n in range(3))
    close, pending = closing(closed), closing(alive)
    await group_commit(pedidos_db).write([closed, alive, unheard, close, pending])
    await pedidos_db.execute("delete from outbox")  # published
    await answer(pedidos_db, closed, Status.ESTOQUE_RESERVADO)
    await answer(pedidos_db, close, Status.FECHADO, versao=2)
    await answer(pedidos_db, alive, Status.ESTOQUE_RESERVADO)
    await pedidos_db.execute("select pg_sleep(0.005)")
    assert await retain(pedidos_db, RetentionPeriods(NEVER, NEVER, NEVER, NEVER)) is False
    assert await pedidos_db.fetchval("select count(*) from pedido") == 3
    assert await pedidos_db.fetchval("select count(*) from idempotencia") == 3

    await retain(pedidos_db, RetentionPeriods(NOW, NEVER, NOW, NEVER))
    assert {r["id"] for r in await pedidos_db.fetch("select id from pedido")} == {alive.pedido_id, unheard.pedido_id}
    left = {r["id"] for r in await pedidos_db.fetch("select id from comando")}
    assert left == {pending.id}, "unanswered commands"
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
    assert [tuple(c) for c in comandos] == [("CancelarPedido", 1)]


async def test_an_abandoned_order_is_cancelled_only_while_it_has_the_version_that_was_seen(pedidos_db: "Pool[Any]"):
    criado = new()
    await group_commit(pedidos_db).write([criado])
    await answer(pedidos_db, criado, Status.RESERVA_EXPIRADA, versao=4)
    await retain(pedidos_db, RetentionPeriods(NEVER, NOW, NEVER, NEVER))
    facts = await pedidos_db.fetch(Queries("pedidos")["take_outbox"], 9, [], 2**62, 1000, 0)
    [cancelar] = [e for e in map(to_event, facts) if isinstance(e, CancelarPedido)]
    assert cancelar.data == PedidoCancelado(pedido_id=criado.pedido_id, versao=4, versao_conhecida=4)


@pytest.mark.parametrize(("versao", "kept"), [(1, 2), (2, 2), (3, 3)])
async def test_a_snapshot_that_waited_for_another_one_sees_its_version(
    pedidos_db: "Pool[Any]", versao: int, kept: int
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
    assert await pedidos_db.fetchval("select versao from pedido where id = $1", criado.pedido_id) == kept
    answered = "select respondido_em is not null and reenviar_em is null from comando where id = $1"
    assert await pedidos_db.fetchval(answered, criado.id)


async def test_a_key_creates_one_order_within_a_batch_and_across_batches(pedidos_db: "Pool[Any]"):
    key = IdempotencyKey("ana", "/pedidos", "k", b"1")
    one, two, other = new(key), new(key), new(IdempotencyKey("ana", "/pedidos", "k", b"2"))
    first, second, reused = await group_commit(pedidos_db).write([one, two, other])
    assert (first.pedido_id, second.pedido_id) == (one.pedido_id, one.pedido_id)
    assert "another body" in str(reused)
    [third] = await group_commit(pedidos_db).write([new(key)])
    assert (third.pedido_id, third.command_id) == (one.pedido_id, one.id)
    assert await pedidos_db.fetchval("select count(*) from pedido") == 1
