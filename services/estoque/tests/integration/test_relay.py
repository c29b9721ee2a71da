"""The relay of estoque's outbox: a row per batch, two releases at once, a broker that vanishes while it publishes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from commands import cancelar, criar
from facts import read_facts
from no_relay import NoRelay
from prometheus_client import REGISTRY
from waiting import until
from wire import Wire
from yarl import URL

from estoque.events import to_event
from estoque.handler import CommandHandler
from local_system import System
from reservaestoque.bus import PEDIDOS_STATUS, BatchConsumer, NotPublishedError, Publisher, Unprocessable
from reservaestoque.events import AtualizarStatus, Decoder, new_id
from reservaestoque.outbox import Relay, relay
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

    async def handle(self, events: Sequence[AtualizarStatus]) -> Sequence[Unprocessable]:
        self.seen |= {event.id for event in events}
        return ()

    async def find_blocked(self, events: Sequence[AtualizarStatus]) -> Sequence[object]:
        return ()


async def fact(pool: "Pool[Any]", status: str = "Cancelado", missing: str = "[]") -> str:
    """Puts a row with a snapshot of an order into the outbox; returns the id of its event."""
    [event_id] = await batch(pool, (status, missing))
    return event_id


async def batch(pool: "Pool[Any]", *snapshots: tuple[str, str]) -> list[str]:
    """Puts a row with these snapshots into the outbox; returns the ids of their events."""
    ids = [new_id() for _ in snapshots]
    await pool.execute(
        "insert into outbox (quantos, pedidos, versoes, status, itens_em_falta) "
        "values (cardinality($1::uuid[]), $1, array_fill(1, array[cardinality($1)]), $2, $3)",
        ids,
        [status for status, _ in snapshots],
        [missing for _, missing in snapshots],
    )
    return [f"{pedido_id}:1" for pedido_id in ids]


def relay_of(pool: "Pool[Any]", publisher: Any) -> Relay:
    return Relay(pool, publisher, take=Queries("estoque")["take_outbox"], to_event=to_event)


async def newest(pool: "Pool[Any]") -> int:
    """The id of the newest row of the outbox."""
    row: int = await pool.fetchval("select max(id) from outbox")
    return row


async def waiting(pool: "Pool[Any]") -> list[str]:
    return [f"{fact['pedido_id']}:{fact['versao']}" for fact in await read_facts(pool)]


@asynccontextmanager
async def running(*runs: Any) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(run()) for run in runs]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
        await until(lambda: len(events.published) == 1 or running_relay.done(), SOON)
        second = await fact(estoque_db)
        relay.publish_row(await newest(estoque_db))
        await until(lambda: len(events.published) == 2 or running_relay.done(), SOON)
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
            await until(lambda: publisher.connected, SOON)
            facts = [await fact(estoque_db) for _ in range(3)]
            wire.vanish()
            with pytest.raises(NotPublishedError):
                await relay.relay_once()
            assert await waiting(estoque_db) == facts
            await until(lambda: publisher.connected, SOON)
            assert wire.accepted == 2
            await relay.relay_once()
            await until(lambda: set(facts) <= handler.seen, SOON)
    assert await waiting(estoque_db) == []


async def handed_over(pool: "Pool[Any]") -> tuple[list[int], list[AtualizarStatus]]:
    """The rows of the outbox and their events, as held by the process that committed them."""
    facts = await read_facts(pool)
    return sorted({fact["id"] for fact in facts}), [to_event(fact) for fact in facts]


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
    assert (await relay._poll()).rows == 0, "its process may be publishing it"
    later = await fact(estoque_db)
    assert (await relay._poll()).rows == 1
    assert [event.id for event in events.published] == [left]
    assert await waiting(estoque_db) == [later]


async def test_the_relay_reads_only_the_row_that_it_is_given(estoque_db: "Pool[Any]"):
    others = [await fact(estoque_db)]
    own = await fact(estoque_db)
    row = await newest(estoque_db)
    others.append(await fact(estoque_db))
    events = Events()
    relay = relay_of(estoque_db, events)
    relay.publish_row(row)
    async with running(relay.run):
        await until(lambda: events.published, SOON)
        assert [event.id for event in events.published] == [own], "another process may be publishing the others"
        assert await waiting(estoque_db) == others


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
        await until(lambda: len(events.published) == 2, SOON)
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


async def test_a_batch_has_one_row_and_another_process_publishes_its_facts_in_order(estoque_db: "Pool[Any]"):
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 150, 150)")
    handler = CommandHandler(estoque_db, NoRelay(), timedelta(minutes=30), timedelta(days=6))
    new = [criar(A=1) for _ in range(100)]
    decided = [cancelar(new[0].data.pedido_id), *(criar(A=1) for _ in range(100))]
    for commands in (new, decided):
        assert await handler.handle(commands) == []
    rows = await estoque_db.fetch("select quantos, pedidos from outbox order by id")
    assert [(row["quantos"], row["pedidos"]) for row in rows] == [
        (len(commands), [command.data.pedido_id for command in commands]) for commands in (new, decided)
    ]
    events = Events()
    assert await relay_of(estoque_db, events).relay_once() == 201
    assert [event.data.causa for event in events.published] == [command.id for command in [*new, *decided]]
    assert {event.data.status for event in events.published[:100]} == {"EstoqueReservado"}
    assert [event.data.status for event in events.published[100:]] == [
        "Cancelado",
        *["EstoqueReservado"] * 51,
        *["EstoqueNaoDisponivel"] * 49,
    ]
    assert await waiting(estoque_db) == []


async def test_a_sweep_has_one_row(estoque_db: "Pool[Any]"):
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 9, 9)")
    lapsed = [criar(A=1) for _ in range(5)]
    ttl = timedelta(microseconds=-1)
    assert await CommandHandler(estoque_db, NoRelay(), ttl, timedelta(days=6)).handle(lapsed) == []
    await estoque_db.execute("delete from outbox")
    assert await estoque_db.fetchval("select sweep_reservas(9)") == 5
    assert await estoque_db.fetchval("select array_agg(quantos) from outbox") == [5]
    assert await estoque_db.fetchval("select sweep_reservas(9)") == 0
    assert await estoque_db.fetchval("select count(*) from outbox") == 1, "a sweep of nothing has no row"
    events = Events()
    assert await relay_of(estoque_db, events).relay_once() == 5
    assert [(event.data.pedido_id, event.data.status, event.data.causa) for event in events.published] == [
        (command.data.pedido_id, "ReservaExpirada", None) for command in lapsed
    ]


async def test_a_batch_without_facts_has_no_row(estoque_db: "Pool[Any]"):
    too_old = msgspec.structs.replace(criar(A=1), time=datetime.now(UTC) - timedelta(days=7))
    handler = CommandHandler(estoque_db, NoRelay(), timedelta(minutes=30), timedelta(days=6))
    assert len(await handler.handle([too_old])) == 1
    assert await estoque_db.fetchval("select count(*) from outbox") == 0
    with pytest.raises(asyncpg.CheckViolationError):
        await batch(estoque_db)


async def test_a_row_with_a_fact_of_another_release_waits_as_a_whole(estoque_db: "Pool[Any]"):
    left = await batch(estoque_db, ("Cancelado", "[]"), ("EmSeparacao", "[]"), ("Cancelado", "[]"))
    known = await batch(estoque_db, ("Cancelado", "[]"), ("Fechado", "[]"))
    events = Events()
    assert await relay_of(estoque_db, events).relay_once() == 2
    assert [event.id for event in events.published] == known
    assert await waiting(estoque_db) == left


@pytest.mark.parametrize(("limit", "most"), [("ROWS", 2), ("FACTS", 4), ("FACTS", 6)])
async def test_a_take_is_bounded_in_rows_and_facts_and_a_full_one_is_followed_by_another(
    estoque_db: "Pool[Any]", monkeypatch: pytest.MonkeyPatch, limit: str, most: int
):
    monkeypatch.setattr(relay, limit, most)
    facts = [fact for _ in range(5) for fact in await batch(estoque_db, *[("Cancelado", "[]")] * 3)]
    events = Events()
    first = relay_of(estoque_db, events)
    await first._poll()
    assert REGISTRY.get_sample_value("outbox_depth") == 15
    assert [tuple(await first._poll()) for _ in range(3)] == [(2, 6), (2, 6), (1, 3)]
    assert [event.id for event in events.published] == facts
    assert tuple(await first._poll()) == (0, 0)
    assert REGISTRY.get_sample_value("outbox_depth") == 0
