"""New orders reserved in one statement: the outcome is that of a decision, and a batch in doubt is decided."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import asyncpg
import msgspec
import pytest
from commands import cancelar, criar, fechar
from facts import FACTS, read_facts
from no_relay import NoRelay

from conferir import ledger
from estoque.handler import CommandHandler
from estoque.scarcity import Scarcity
from reservaestoque.events import CloudEvent, Comando

pytestmark = pytest.mark.integration

TTL = timedelta(minutes=30)
HORIZON = timedelta(days=6)
TABLES = {
    "stock": "select sku, alvo, quantidade, reservado, vendido from estoque order by sku",
    "orders": "select id, status, versao, itens, itens_em_falta, expira_em is null from pedido order by id",
    "lines": "select pedido_id, sku, quantidade, vendida from reserva order by pedido_id, sku",
    "facts": f"with f as ({FACTS}) "  # noqa: S608 - our own text
    "select pedido_id, versao, status, causa, recusa, expira_em is null, itens_em_falta, traceparent "
    "from f order by id, ordinal",
    "rows": "select quantos from outbox order by id",
}


class Relay(NoRelay):
    def __init__(self) -> None:
        self.events: list[CloudEvent] = []

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        assert len(rows) == 1, "a batch has one row"
        self.events += events


@pytest.fixture(autouse=True)
async def ledger_balances(estoque_db: asyncpg.Pool):
    yield
    assert await ledger.violations(estoque_db) == []


async def supply(pool: asyncpg.Pool, situacao: str = "Ativo", **units: int) -> None:
    for sku, count in units.items():
        await pool.execute(
            "insert into estoque (sku, nome, alvo, quantidade, situacao) values ($1, $1, $2, $2, $3)",
            sku,
            count,
            situacao,
        )


async def handle(pool: Any, *commands: Comando) -> None:
    assert await CommandHandler(pool, NoRelay(), TTL, HORIZON).handle(commands) == []


async def statements(pool: asyncpg.Pool, *commands: Comando) -> list[str]:
    """The statements that a batch takes, by the first words of their comments."""
    seen: list[str] = []
    async with pool.acquire() as connection:
        await handle(_One(connection), criar(A=1))  # asyncpg looks up the types once for each connection
        with connection.query_logger(lambda query: seen.append(query.query)):
            await handle(_One(connection), *commands)
    return [" ".join(text.removeprefix("-- ").split()[:2]) for text in seen]


class _One:
    """A pool that has this connection only."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def acquire(self) -> "_One":
        return self

    async def __aenter__(self) -> Any:
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_new_orders_with_enough_units_take_one_statement_and_one_transaction(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=10, B=10)
    assert await statements(estoque_db, criar(A=2, B=1), criar(A=7)) == ["Reserves all"]


@pytest.mark.parametrize("seed", range(40))
async def test_the_outcome_is_that_of_a_decision(estoque_db: asyncpg.Pool, seed: int):
    rng = random.Random(seed)
    units = {sku: rng.randint(0, 12) for sku in "ABCDE"}
    paused = rng.choice(["", "A"])
    commands = [
        criar(**{sku: rng.randint(1, 2) for sku in rng.sample("ABCDE" + rng.choice(["", "Z"]), rng.randint(1, 3))})
        for _ in range(rng.randint(1, 8))
    ]
    outcomes = []
    for always_decide in (False, True):
        await estoque_db.execute("truncate estoque, pedido, reserva, inbox, outbox")
        await supply(estoque_db, **{sku: count for sku, count in units.items() if sku != paused})
        await supply(estoque_db, "Pausado", **{sku: count for sku, count in units.items() if sku == paused})
        relay = Relay()
        with patch.object(Scarcity, "affects", lambda *_, decide=always_decide: decide):
            await CommandHandler(estoque_db, relay, TTL, HORIZON).handle(commands)
        tables = {name: [tuple(row) for row in await estoque_db.fetch(sql)] for name, sql in TABLES.items()}
        events = [
            msgspec.structs.replace(
                event, time=None, data=msgspec.structs.replace(event.data, expira_em=event.data.expira_em is None)
            )
            for event in relay.events
        ]
        outcomes.append((tables, events))
    assert outcomes[0] == outcomes[1]


async def test_the_event_equals_its_row_and_expires_when_the_reservation_does(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=1)
    relay = Relay()
    await CommandHandler(estoque_db, relay, TTL, HORIZON).handle([criar(A=1)])
    [event] = relay.events
    row = await estoque_db.fetchrow(
        f"with o as ({FACTS}) "  # noqa: S608 - our own text
        "select o.criado_em, o.expira_em, p.expira_em as of_order, r.expira_em as of_line, e.alterado_em "
        "from o join pedido p on p.id = o.pedido_id join reserva r on r.pedido_id = p.id "
        "join estoque e using (sku)"
    )
    assert (event.time, event.data.expira_em) == (row["criado_em"], row["expira_em"])
    assert row["expira_em"] == row["of_order"] == row["of_line"] == row["alterado_em"] + TTL


async def test_a_redelivered_order_gets_its_answer_again_among_new_orders(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=10)
    pedido, other = criar(A=2), criar(A=1)
    await handle(estoque_db, pedido)
    assert await estoque_db.fetchval("select count(*) from inbox") == 0
    await handle(estoque_db, other, pedido)
    await handle(estoque_db, cancelar(pedido.data.pedido_id))
    await handle(estoque_db, pedido)
    answers = [(f["causa"], f["versao"], f["status"], f["recusa"]) for f in await read_facts(estoque_db)]
    assert [answer for answer in answers if answer[0] in (pedido.id, other.id)] == [
        (pedido.id, 1, "EstoqueReservado", None),
        (other.id, 1, "EstoqueReservado", None),
        (pedido.id, 1, "EstoqueReservado", None),
        (pedido.id, 2, "Cancelado", None),
    ]
    assert await estoque_db.fetchval("select reservado from estoque") == 1


async def test_a_batch_with_another_command_is_decided(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=10)
    pedido = criar(A=2)
    await handle(estoque_db, pedido, fechar(pedido.data.pedido_id, A=2))
    assert await estoque_db.fetchval("select status from pedido") == "Fechado"
    assert await estoque_db.fetchval("select count(*) from inbox") == 2


async def test_two_orders_with_one_event_id_are_not_both_accepted(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=10)
    first = criar(A=1)
    second = msgspec.structs.replace(criar(A=1), id=first.id)
    await CommandHandler(estoque_db, NoRelay(), TTL, HORIZON).handle([first, second])
    assert await estoque_db.fetchval("select count(*) from pedido") == 1


async def test_an_event_already_in_the_inbox_is_not_applied_again(estoque_db: asyncpg.Pool):
    """Its order may be gone: purged, or lost with a backup."""
    await supply(estoque_db, A=10)
    pedido = criar(A=1)
    await estoque_db.execute("insert into inbox (evento_id) values ($1)", pedido.id)
    [refused] = await CommandHandler(estoque_db, NoRelay(), TTL, HORIZON).handle([pedido])
    assert refused.reason.startswith("PedidoEsquecido")
    assert await estoque_db.fetchval("select reservado from estoque") == 0


async def test_a_sku_that_is_sold_out_is_not_tried_again_at_once(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=1, B=100)
    scarce, plenty = [criar(A=2)], [criar(B=1)]
    handler = CommandHandler(estoque_db, NoRelay(), TTL, HORIZON)
    tried: list[bool] = []
    affects = Scarcity.affects

    def watched(self: Scarcity, skus: Any) -> bool:
        tried.append(not affects(self, skus))
        return not tried[-1]

    with patch.object(Scarcity, "affects", watched):
        await handler.handle(scarce)
        await handler.handle([criar(A=1)])
        await handler.handle(plenty)
    assert tried == [True, False, True]
    assert await estoque_db.fetchval("select reservado from estoque where sku = 'A'") == 1


async def test_replicas_that_race_for_the_last_units_never_oversell(estoque_db: asyncpg.Pool):
    await supply(estoque_db, A=60, B=60, C=60)
    rng = random.Random(20261127)
    batches = [[criar(**dict.fromkeys(rng.sample("ABC", 2), 1)) for _ in range(rng.randint(1, 4))] for _ in range(80)]
    # As many tries in vain as possible: no replica remembers that a SKU is scarce.
    with patch.object(Scarcity, "affects", lambda *_: False):
        await asyncio.gather(*[handle(estoque_db, *batch) for batch in batches])
    left = await estoque_db.fetch("select quantidade - reservado as left from estoque")
    refused = await estoque_db.fetchval("select count(*) from pedido where status = 'EstoqueNaoDisponivel'")
    assert sorted(row["left"] for row in left)[:2] == [0, 0]
    assert refused > 0
