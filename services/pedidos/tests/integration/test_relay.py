"""Two releases at once: commands of a type that only the newer one knows wait for it, and do not hold up others."""

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from no_relay import NoRelay

from pedidos.command import CommandType, NewCommand
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from reservaestoque.events import CancelarPedido, Comando, Decoder, new_id
from reservaestoque.outbox import Relay, relay
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool


class Events:
    """A publishing target for a relay."""

    connected = True

    def __init__(self) -> None:
        self.published: list[Comando] = []

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        for _, body in messages:
            events, rejected = Decoder[Comando](Comando).decode(body)
            assert rejected == []
            self.published += events


@pytest.fixture
async def newer_schema(pedidos_db: "Pool[Any]") -> AsyncIterator[None]:
    """The next release's migration allows more command types."""
    check = await pedidos_db.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'valid_tipo'"
    )
    await pedidos_db.execute("alter table comando drop constraint valid_tipo")
    yield
    await pedidos_db.execute("truncate pedido, comando, outbox, idempotencia, mudanca")
    await pedidos_db.execute(f"alter table comando add constraint valid_tipo {check}")


async def command(pool: "Pool[Any]", tipo: str = "FecharPedido") -> NewCommand:
    """Writes a command of that type to an order."""
    new = NewCommand(new_id(), new_id(), CommandType.FECHAR, "", "ana")
    itens = '[{"sku": "A", "quantidade": 1}]'
    await pool.execute("insert into pedido (id, cliente_id, itens) values ($1, 'ana', $2)", new.pedido_id, itens)
    group_commit = GroupCommit(pool, NoRelay(), max_batch=9, max_waiting=9, resend_after=timedelta(days=1))
    await group_commit.write([new])
    await pool.execute("update comando set tipo = $2 where id = $1", new.id, tipo)
    return new


def relay_of(pool: "Pool[Any]", events: Events, to_event: Any = to_event) -> Relay:
    return Relay(pool, events, take=Queries("pedidos")["take_outbox"], to_event=to_event)


async def waiting(pool: "Pool[Any]") -> list[object]:
    return [row["id"] for row in await pool.fetch("select unnest(comandos) as id from outbox order by outbox.id")]


@pytest.mark.usefixtures("newer_schema")
async def test_commands_of_an_unknown_type_wait_and_the_others_go_out_in_order(pedidos_db: "Pool[Any]"):
    commands = [await command(pedidos_db, tipo) for tipo in ("FecharPedido", "DividirPedido") * 3]
    events = Events()
    older = relay_of(pedidos_db, events)
    assert await older.relay_once() == 3
    assert await older.relay_once() == 0
    assert [event.id for event in events.published] == [new.id for new in commands[::2]]
    assert await waiting(pedidos_db) == [new.id for new in commands[1::2]]


@pytest.mark.usefixtures("newer_schema")
async def test_no_order_is_cancelled_by_a_command_of_an_unknown_type(pedidos_db: "Pool[Any]"):
    await command(pedidos_db, "DividirPedido")
    events = Events()
    await relay_of(pedidos_db, events).relay_once()
    assert not [event for event in events.published if isinstance(event, CancelarPedido)]


@pytest.mark.usefixtures("newer_schema")
async def test_a_replica_that_knows_the_type_publishes_commands_left_by_the_others(pedidos_db: "Pool[Any]"):
    def newer_comando(fact: asyncpg.Record) -> Comando:
        return to_event({**fact, "tipo": "CancelarPedido"} if fact["tipo"] == "DividirPedido" else fact)  # type: ignore[arg-type]

    commands = [await command(pedidos_db, "DividirPedido") for _ in range(3)]
    older, newer = Events(), Events()
    assert await relay_of(pedidos_db, older).relay_once() == 0
    assert await relay_of(pedidos_db, newer, newer_comando).relay_once() == 3
    assert older.published == []
    assert [event.id for event in newer.published] == [new.id for new in commands]
    assert await waiting(pedidos_db) == []


@pytest.mark.usefixtures("newer_schema")
async def test_more_unknown_commands_than_fit_into_a_take_do_not_hold_up_known_ones(
    pedidos_db: "Pool[Any]", monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "ROWS", 4)
    for _ in range(10):
        await command(pedidos_db, "DividirPedido")
    known = await command(pedidos_db)
    events = Events()
    await relay_of(pedidos_db, events).relay_once()
    assert [event.id for event in events.published] == [known.id]
    assert len(await waiting(pedidos_db)) == 10
