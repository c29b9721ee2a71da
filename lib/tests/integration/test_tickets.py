"""Tickets on a real PostgreSQL: valid once, for a while, with their holder's rights, and stored as a hash."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from buffers import Metered

from reservaestoque.http import ProblemError
from reservaestoque.http.caller import ANONYMOUS, ANYONE, Caller, Verdict, has_scope
from reservaestoque.http.identity import Identity
from reservaestoque.postgres import Reader
from reservaestoque.tickets import Tickets, old_tickets

pytestmark = pytest.mark.integration

ANA = Caller("ana", frozenset({"estoque:ler", "pedidos:admin"}))
Pool = asyncpg.Pool


@pytest.fixture(params=["pedidos", "estoque"])
async def pool(request: pytest.FixtureRequest) -> AsyncIterator["Pool[Any]"]:
    """A database of each service."""
    backing = request.getfixturevalue("backing")
    async with asyncpg.create_pool(backing.database_url(request.param), min_size=0, max_size=16) as pool:
        await pool.execute("truncate bilhete")
        yield pool


def tickets(pool: "Pool[Any]", identity: Identity | None = None) -> Tickets:
    return Tickets(Reader(pool, connections=4), identity or Identity("gateway"))


async def test_a_ticket_carries_the_rights_of_its_token(pool: "Pool[Any]"):
    before = datetime.now(UTC)
    ticket = await tickets(pool).issue(ANA)
    assert timedelta(seconds=29) < ticket.expira_em - before < timedelta(seconds=35)
    assert await tickets(pool).caller(ANONYMOUS, ticket.bilhete) == ANA


async def test_tickets_differ_and_only_their_hash_is_kept(pool: "Pool[Any]"):
    issued = {(await tickets(pool).issue(ANA)).bilhete for _ in range(50)}
    assert len(issued) == 50
    rows = await pool.fetch("select b::text as text, resumo from bilhete b")
    assert len(rows) == 50
    for row in rows:
        assert len(row["resumo"]) == 32
        assert not any(ticket in row["text"] or ticket.encode() in row["resumo"] for ticket in issued)


async def refused(one: Tickets, caller: Caller, ticket: str) -> int:
    with pytest.raises(ProblemError) as problem:
        await one.caller(caller, ticket)
    assert not ticket or ticket not in problem.value.detail
    return int(problem.value.problem.status)


async def test_a_ticket_opens_one_stream_however_many_replicas_try_at_once(pool: "Pool[Any]"):
    replicas = [tickets(pool) for _ in range(4)]
    for _ in range(20):
        ticket = (await replicas[0].issue(ANA)).bilhete
        tries = [one.caller(ANONYMOUS, ticket) for one in replicas for _ in range(4)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert [one for one in results if isinstance(one, Caller)] == [ANA]
        assert all(isinstance(one, Caller | ProblemError) for one in results)
        assert await refused(replicas[1], ANONYMOUS, ticket) == 401


async def test_a_ticket_expires_after_thirty_seconds(pool: "Pool[Any]"):
    ticket = (await tickets(pool).issue(ANA)).bilhete
    await pool.execute("update bilhete set expira_em = expira_em - interval '30 seconds'")
    assert await refused(tickets(pool), ANONYMOUS, ticket) == 401


@pytest.mark.parametrize("ticket", ["x", "A" * 43, "A" * 44, "' or true --", "\0", "é" * 43])
async def test_invalid_tickets_are_refused(pool: "Pool[Any]", ticket: str):
    assert await refused(tickets(pool), ANONYMOUS, ticket) == 401
    assert await refused(tickets(pool, Identity("none")), ANYONE, ticket) == 401


async def test_a_token_and_a_ticket_together_are_refused_and_the_ticket_is_kept(pool: "Pool[Any]"):
    ticket = (await tickets(pool).issue(ANA)).bilhete
    assert await refused(tickets(pool), Caller("bia"), ticket) == 400
    assert await tickets(pool).caller(ANONYMOUS, ticket) == ANA


async def test_without_a_ticket_the_requester_is_the_caller(pool: "Pool[Any]"):
    assert await tickets(pool).caller(ANA, "") == ANA
    assert await refused(tickets(pool), ANONYMOUS, "") == 401


async def test_the_services_rule_applies_to_the_holder(pool: "Pool[Any]"):
    strict = Identity("gateway", rule=lambda caller: has_scope(caller, "estoque:ler"), refusal="no")
    plain = (await tickets(pool).issue(Caller("bia"))).bilhete
    assert await refused(tickets(pool, strict), ANONYMOUS, plain) == 403
    assert has_scope(
        await tickets(pool, strict).caller(ANONYMOUS, (await tickets(pool).issue(ANA)).bilhete), "x"
    ) is (Verdict.FORBIDDEN)


async def test_a_ticket_issued_without_a_token_is_refused_once_tokens_are_required(pool: "Pool[Any]"):
    open_to_all = tickets(pool, Identity("none"))
    first, second = [(await open_to_all.issue(ANYONE)).bilhete for _ in range(2)]
    assert await open_to_all.caller(ANYONE, first) == ANYONE
    assert await refused(tickets(pool), ANONYMOUS, second) == 401


async def test_expired_tickets_are_purged_and_others_stay(pool: "Pool[Any]"):
    await pool.execute(
        """insert into bilhete (resumo, escopos, expira_em)
           select sha256(n::text::bytea), '{}', agora() - n * interval '1 second' from generate_series(1, 2500) n"""
    )
    good = (await tickets(pool).issue(ANA)).bilhete
    async with pool.acquire() as connection:
        meter = Metered(connection)
        walk, purged = old_tickets(meter), 0  # type: ignore[arg-type]
        while True:
            row, more = await walk.step()
            purged += row["purged"]
            if not more:
                break
    assert purged == 2500
    assert max(meter.pages) < 8000
    assert await pool.fetchval("select count(*) from bilhete") == 1
    assert await tickets(pool).caller(ANONYMOUS, good) == ANA


async def test_a_ticket_that_is_being_redeemed_does_not_hold_up_the_purge(pool: "Pool[Any]"):
    await tickets(pool).issue(ANA)
    await pool.execute("update bilhete set expira_em = agora() - interval '1 second'")
    async with pool.acquire() as other, other.transaction():
        await other.execute("delete from bilhete")
        row, _ = await old_tickets(pool).step()
    assert row["purged"] == 0
