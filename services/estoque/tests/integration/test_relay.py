"""The relay of estoque's outbox: two releases at once, and a broker that vanishes during a publication."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from wire import Wire
from yarl import URL

from estoque.events import to_event
from local_system import System
from reservaestoque.bus import PEDIDOS_STATUS, BatchConsumer, NotPublishedError, Publisher, Refused
from reservaestoque.events import AtualizarStatus, Decoder, new_id
from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
SOON = 25


class Events:
    """A publishing target for a relay."""

    connected = True

    def __init__(self) -> None:
        self.published: list[AtualizarStatus] = []

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        for _, body in messages:
            events, rejected = Decoder[AtualizarStatus](AtualizarStatus).decode(body)
            assert rejected == []
            self.published += events


class Handler:
    """Records which events have arrived."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    async def handle(self, events: Sequence[AtualizarStatus]) -> Sequence[Refused]:
        self.seen |= {event.id for event in events}
        return ()

    async def find_blocked(self, events: Sequence[AtualizarStatus]) -> Sequence[object]:
        return ()


async def fact(pool: "Pool[Any]", status: str = "Cancelado", missing: str = "[]") -> str:
    """Puts a snapshot of an order into the outbox; returns the id of its event."""
    pedido_id = new_id()
    await pool.execute(
        "insert into outbox (pedido_id, versao, status, itens_em_falta) values ($1, 1, $2, $3)",
        pedido_id,
        status,
        missing,
    )
    return f"{pedido_id}:1"


def relay_of(pool: "Pool[Any]", publisher: Any) -> Relay:
    return Relay(pool, publisher, take=Queries("estoque")["tomar_outbox"], to_event=to_event)


async def waiting(pool: "Pool[Any]") -> list[str]:
    return [f"{row['pedido_id']}:1" for row in await pool.fetch("select pedido_id from outbox order by id")]


@asynccontextmanager
async def running(*runs: Any) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(run()) for run in runs]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.02)


UNKNOWN = [
    {"status": "EmSeparacao"},
    {"missing": '[{"sku": "A", "solicitado": 1, "disponivel": 0, "motivo": "ItemVencido"}]'},
]


@pytest.mark.parametrize("unknown", UNKNOWN, ids=["status", "motivo"])
async def test_snapshots_of_another_release_wait_for_it_and_the_relay_continues(
    estoque_db: "Pool[Any]", unknown: dict[str, str]
):
    left = await fact(estoque_db, **unknown)
    first = await fact(estoque_db)
    events = Events()
    relay = relay_of(estoque_db, events)
    async with running(relay.run) as [running_relay]:
        await until(lambda: len(events.published) == 1 or running_relay.done())
        second = await fact(estoque_db)
        relay.wake()
        await until(lambda: len(events.published) == 2 or running_relay.done())
    assert [event.id for event in events.published] == [first, second]
    assert await waiting(estoque_db) == [left]


async def test_facts_that_were_being_published_when_the_broker_vanished_go_out_on_the_next_connection(
    backing: System, estoque_db: "Pool[Any]"
):
    handler = Handler()
    consumer = BatchConsumer(backing.amqp_url, PEDIDOS_STATUS, Decoder[AtualizarStatus](AtualizarStatus), handler)
    async with Wire(backing.layout.ports.rabbitmq) as wire:
        publisher = Publisher(str(URL(backing.amqp_url).with_port(wire.port)), PEDIDOS_STATUS, "estoque")
        relay = relay_of(estoque_db, publisher)
        async with running(publisher.run, consumer.run):
            await until(lambda: publisher.connected)
            facts = [await fact(estoque_db) for _ in range(3)]
            wire.vanish()
            with pytest.raises(NotPublishedError):
                await relay.relay_once()
            assert await waiting(estoque_db) == facts
            await until(lambda: publisher.connected)
            assert wire.accepted == 2
            await relay.relay_once()
            await until(lambda: set(facts) <= handler.seen)
    assert await waiting(estoque_db) == []


async def handed_over(pool: "Pool[Any]") -> tuple[list[int], list[AtualizarStatus]]:
    """The rows of the outbox and their events, as held by the process that committed them."""
    rows = await pool.fetch("select * from outbox order by id")
    return [row["id"] for row in rows], [to_event(row) for row in rows]


async def test_facts_handed_over_are_published_at_once_and_their_rows_deleted(estoque_db: "Pool[Any]"):
    events = Events()
    relay = relay_of(estoque_db, events)
    async with running(relay.run):
        facts = [await fact(estoque_db) for _ in range(3)]
        relay.publish(*await handed_over(estoque_db))
        async with asyncio.timeout(SOON):
            while await waiting(estoque_db):
                await asyncio.sleep(0.02)
    assert [event.id for event in events.published] == facts


async def test_facts_that_another_process_left_are_taken_at_the_second_look(estoque_db: "Pool[Any]"):
    left = await fact(estoque_db)
    events = Events()
    relay = relay_of(estoque_db, events)
    assert await relay._look() == 0, "its process may be publishing it"
    later = await fact(estoque_db)
    assert await relay._look() == 1
    assert [event.id for event in events.published] == [left]
    assert await waiting(estoque_db) == [later]


async def test_facts_handed_over_that_cannot_be_published_are_taken_from_the_table(estoque_db: "Pool[Any]"):
    facts = [await fact(estoque_db) for _ in range(2)]
    events = Events()
    events.connected = False
    relay = relay_of(estoque_db, events)
    async with running(relay.run):
        relay.publish(*await handed_over(estoque_db))
        await asyncio.sleep(0.3)
        assert await waiting(estoque_db) == facts
        events.connected = True
        await until(lambda: len(events.published) == 2)
    assert [event.id for event in events.published] == facts


async def test_rows_that_another_relay_has_locked_are_not_waited_for(estoque_db: "Pool[Any]"):
    facts = [await fact(estoque_db) for _ in range(2)]
    events = Events()
    relay = relay_of(estoque_db, events)
    relay.publish(*await handed_over(estoque_db))
    async with estoque_db.acquire() as frozen, frozen.transaction():
        await frozen.fetch("select from outbox order by id limit 1 for update")
        async with asyncio.timeout(2):
            await relay.publish_fresh()
        assert await waiting(estoque_db) == facts[:1]
    assert [event.id for event in events.published] == facts
