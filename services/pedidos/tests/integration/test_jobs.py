"""Resends and retention on a real PostgreSQL: what is lost heals, what is old goes, nothing else does."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from pedidos.command import CommandType, IdempotencyKey, NewCommand
from pedidos.consumer import StatusConsumer
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
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
JA, NUNCA = timedelta(microseconds=1), timedelta(days=1)


class SemRelay:
    def wake(self) -> None: ...


def registro(pool: "Pool[Any]", resend_after: timedelta = JA) -> GroupCommit:
    return GroupCommit(pool, SemRelay(), max_batch=9, max_waiting=9, resend_after=resend_after)


def novo(chave: IdempotencyKey | None = None) -> NewCommand:
    return NewCommand(new_id(), new_id(), CommandType.CRIAR, "00-0-0-01", "ana", [Item("A", 1)], chave)


async def responder(
    pool: "Pool[Any]", comando: NewCommand, status: Status, versao: int = 1, vale: timedelta = NUNCA
) -> None:
    agora = await pool.fetchval("select agora()")
    expira_em = agora + vale if status == Status.ESTOQUE_RESERVADO else None
    dados = StatusAtualizado(
        pedido_id=comando.pedido_id, status=status, versao=versao, causa=comando.id, expira_em=expira_em
    )
    evento = AtualizarStatus(
        id=f"{comando.pedido_id}:{versao}", source="/t", subject=comando.pedido_id, time=agora, data=dados
    )
    assert await StatusConsumer(pool, ask_after=JA).handle([evento]) == []


async def na_outbox(pool: "Pool[Any]") -> list[UUID]:
    return [row["comando_id"] for row in await pool.fetch("select comando_id from outbox order by id")]


def reenvio(pool: "Pool[Any]", until: timedelta = NUNCA, horizon: timedelta = NUNCA) -> Resend:
    return Resend(pool, SemRelay(), after=JA, until=until, horizon=horizon)


async def retain(pool: "Pool[Any]", prazos: RetentionPeriods) -> bool:
    """A step of each job of retention; whether there is more to do."""
    return any([await step() for step in retention_jobs(pool, registro(pool), prazos).values()])


async def test_unanswered_commands_are_sent_again_with_the_same_id_ever_more_rarely(pedidos_db: "Pool[Any]"):
    mudo, ouvido = novo(), novo()
    await registro(pedidos_db).write([mudo, ouvido])
    await responder(pedidos_db, ouvido, Status.ESTOQUE_RESERVADO)
    await pedidos_db.execute("delete from outbox")
    for _ in (1, 2, 3):
        await reenvio(pedidos_db).step()
        assert await na_outbox(pedidos_db) == [mudo.id]
        await pedidos_db.execute("delete from outbox")  # published
    row = await pedidos_db.fetchrow("select envios, reenviar_em from comando where id = $1", mudo.id)
    assert row["envios"] == 4
    assert row["reenviar_em"] is not None


async def test_command_that_was_never_published_waits_however_long_and_only_once(pedidos_db: "Pool[Any]"):
    mudo = novo()
    await registro(pedidos_db).write([mudo])
    for _ in (1, 2, 3):
        await reenvio(pedidos_db, until=JA).step()
        await retain(pedidos_db, RetentionPeriods(JA, NUNCA, NUNCA, NUNCA))
    assert await na_outbox(pedidos_db) == [mudo.id]
    assert await pedidos_db.fetchval("select reenviar_em is not null from comando where id = $1", mudo.id)


async def test_resends_wait_for_their_time_and_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    await registro(pedidos_db, resend_after=NUNCA).write([novo()])
    await pedidos_db.execute("delete from outbox")
    await reenvio(pedidos_db).step()
    assert await na_outbox(pedidos_db) == []
    await pedidos_db.execute("update comando set reenviar_em = agora()")
    await reenvio(pedidos_db, until=JA).step()
    assert await na_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select reenviar_em from comando") is None, "given up"


async def test_reservation_whose_end_was_not_heard_of_is_asked_about_ever_more_rarely(pedidos_db: "Pool[Any]"):
    """The sweep answers no command: should its message be lost, nothing else would tell."""
    reservado, fechado = novo(), novo()
    await registro(pedidos_db).write([reservado, fechado])
    await responder(pedidos_db, reservado, Status.ESTOQUE_RESERVADO, vale=JA)
    await responder(pedidos_db, fechado, Status.ESTOQUE_RESERVADO, vale=JA)
    await responder(pedidos_db, fechado, Status.FECHADO, versao=2)
    await pedidos_db.execute("delete from outbox")
    await reenvio(pedidos_db).step()
    assert await na_outbox(pedidos_db) == [reservado.id]
    proxima = await pedidos_db.fetchrow(
        "select perguntar_em - agora() as em, agora() - expira_em as ha from pedido where id = $1",
        reservado.pedido_id,
    )
    assert timedelta() < proxima["em"] <= proxima["ha"], "next after as long again"
    await retain(pedidos_db, RetentionPeriods(JA, NUNCA, NUNCA, NUNCA))
    assert [r["id"] for r in await pedidos_db.fetch("select id from comando")] == [reservado.id], "kept to ask with"

    await responder(pedidos_db, reservado, Status.RESERVA_EXPIRADA, versao=2)
    assert await pedidos_db.fetchval("select count(perguntar_em) from pedido") == 0


async def test_questions_end_at_the_horizon(pedidos_db: "Pool[Any]"):
    criado = novo()
    await registro(pedidos_db).write([criado])
    await responder(pedidos_db, criado, Status.ESTOQUE_RESERVADO, vale=JA)
    await pedidos_db.execute("delete from outbox")
    await reenvio(pedidos_db, until=JA).step()
    assert await na_outbox(pedidos_db) == []
    assert await pedidos_db.fetchval("select perguntar_em from pedido") is None


async def test_answer_is_noted_whatever_its_version(pedidos_db: "Pool[Any]"):
    criado = novo()
    await registro(pedidos_db).write([criado])
    await responder(pedidos_db, criado, Status.ESTOQUE_RESERVADO, versao=3)
    fechar = NewCommand(new_id(), criado.pedido_id, CommandType.FECHAR, "00-0-0-01", "ana")
    await registro(pedidos_db).write([fechar])
    await responder(pedidos_db, fechar, Status.ESTOQUE_RESERVADO, versao=2)
    assert await pedidos_db.fetchval("select count(*) from comando where respondido_em is null") == 0
    assert await pedidos_db.fetchval("select versao from pedido") == 3, "versions never go backwards"


async def test_retention_forgets_what_is_old_and_ended_only(pedidos_db: "Pool[Any]"):
    fechado, vivo, mudo = (novo(IdempotencyKey("ana", "/pedidos", str(n), b"")) for n in range(3))
    await registro(pedidos_db).write([fechado, vivo, mudo])
    await pedidos_db.execute("delete from outbox")  # published
    await responder(pedidos_db, fechado, Status.FECHADO)
    await responder(pedidos_db, vivo, Status.ESTOQUE_RESERVADO)
    await pedidos_db.execute("select pg_sleep(0.005)")
    assert await retain(pedidos_db, RetentionPeriods(NUNCA, NUNCA, NUNCA, NUNCA)) is False
    assert await pedidos_db.fetchval("select count(*) from pedido") == 3
    assert await pedidos_db.fetchval("select count(*) from idempotencia") == 3

    await retain(pedidos_db, RetentionPeriods(JA, NUNCA, JA, NUNCA))
    assert {r["id"] for r in await pedidos_db.fetch("select id from pedido")} == {vivo.pedido_id, mudo.pedido_id}
    restam = {r["id"] for r in await pedidos_db.fetch("select id from comando")}
    assert restam == {mudo.id, vivo.id}, "what has no answer, and what a live reservation is asked about with"
    assert await pedidos_db.fetchval("select count(*) from idempotencia") == 0


async def test_abandoned_orders_are_cancelled_by_an_ordinary_command_once(pedidos_db: "Pool[Any]"):
    criado = novo()
    await registro(pedidos_db).write([criado])
    await responder(pedidos_db, criado, Status.RESERVA_EXPIRADA)
    for _replica in (1, 2):
        await retain(pedidos_db, RetentionPeriods(NUNCA, JA, NUNCA, NUNCA))
    comandos = await pedidos_db.fetch(
        "select tipo, se_versao from comando where pedido_id = $1 order by id", criado.pedido_id
    )
    assert [tuple(c) for c in comandos] == [("PedidoCriado", None), ("CancelarPedido", 1)]


async def test_an_abandoned_order_is_cancelled_only_while_it_has_the_version_that_was_seen(pedidos_db: "Pool[Any]"):
    criado = novo()
    await registro(pedidos_db).write([criado])
    await responder(pedidos_db, criado, Status.RESERVA_EXPIRADA, versao=4)
    await retain(pedidos_db, RetentionPeriods(NUNCA, JA, NUNCA, NUNCA))
    fatos = await pedidos_db.fetch(Queries("pedidos")["tomar_outbox"], 9, [])
    [cancelar] = [e for e in map(to_event, fatos) if isinstance(e, CancelarPedido)]
    assert cancelar.data == PedidoCancelado(pedido_id=criado.pedido_id, versao=4, versao_conhecida=4)


@pytest.mark.parametrize(("versao", "fica"), [(1, 2), (2, 2), (3, 3)])
async def test_a_snapshot_that_waited_for_another_one_sees_its_version(
    pedidos_db: "Pool[Any]", versao: int, fica: int
):
    criado = novo()
    await registro(pedidos_db).write([criado])
    async with pedidos_db.acquire() as outra, outra.transaction():
        await outra.execute("update pedido set status = 'Cancelado', versao = 2 where id = $1", criado.pedido_id)
        espera = asyncio.create_task(responder(pedidos_db, criado, Status.ESTOQUE_RESERVADO, versao))
        trancadas = "select count(*) from pg_locks where not granted"
        while not await pedidos_db.fetchval(trancadas):
            await asyncio.sleep(0.01)
        assert not espera.done()
    await espera
    assert await pedidos_db.fetchval("select versao from pedido where id = $1", criado.pedido_id) == fica
    respondido = "select respondido_em is not null and reenviar_em is null from comando where id = $1"
    assert await pedidos_db.fetchval(respondido, criado.id)


async def test_same_key_within_one_batch_and_across_batches(pedidos_db: "Pool[Any]"):
    chave = IdempotencyKey("ana", "/pedidos", "k", b"1")
    um, dois, outro = novo(chave), novo(chave), novo(IdempotencyKey("ana", "/pedidos", "k", b"2"))
    primeiro, segundo, reutilizada = await registro(pedidos_db).write([um, dois, outro])
    assert (primeiro.pedido_id, segundo.pedido_id) == (um.pedido_id, um.pedido_id)
    assert "another body" in str(reutilizada)
    [terceiro] = await registro(pedidos_db).write([novo(chave)])
    assert (terceiro.pedido_id, terceiro.command_id) == (um.pedido_id, um.id)
    assert await pedidos_db.fetchval("select count(*) from pedido") == 1
