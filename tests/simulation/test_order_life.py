"""The services' own code and SQL against the model, step by step, wherever Hypothesis leads: without faults, but with
messages delivered in any order and any number of times, and batches cut anywhere. Failures are shrunk to a few steps.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from no_relay import NoRelay
from simulator.campaign import prepare
from simulator.judge import Declaration, Judge
from simulator.model import Model, Request
from simulator.mutants import MUTANTS
from simulator.parties import SKUS
from simulator.seed import DATABASES, MONITOR, Stage
from simulator.times import Times
from simulator.world import Party, ViolationError, World, bridged_step_back

from estoque.events import to_event as status_event
from estoque.handler import CommandHandler
from local_system import System
from operador.decide.stockitem import ItemKey, StockItem
from operador.stock.database import Database
from pedidos.command import CommandType, NewCommand, creation
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler as PedidosHandler
from reservaestoque.events import AtualizarStatus, Comando, Decoder, Item
from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

TIMES = Times.default()
SEED = 4
"""A seed with which the mistakes are found within seconds; nearly every other one takes up to a minute. Hypothesis
takes constants from all loaded code, so its examples depend on that as well.
"""
ITENS = st.dictionaries(st.sampled_from([*SKUS, "NAO-HA"]), st.integers(1, 4), min_size=1, max_size=3)
CHOICE = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)
UNITS = st.integers(0, 6) | st.integers(0, 12)
"""On hand of a SKU: mostly so few that orders compete for them."""
SECONDS = st.sampled_from([0.000001, 1, 60, 1799.999999, 1800, 3600])


class Mailbox:
    """A publishing target for a relay; every event is kept and can be delivered repeatedly."""

    connected = True

    def __init__(self, decoder: Decoder[Any]) -> None:
        self.events: list[Any] = []
        self._decoder = decoder

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        for _, body in messages:
            events, bad = self._decoder.decode(body)
            assert bad == []
            self.events += events

    def choose(self, numbers: Sequence[int]) -> list[Any]:
        return [self.events[n % len(self.events)] for n in numbers]


class LifeOfOrders(RuleBasedStateMachine):
    """pedidos, estoque and the operator on two databases."""

    urls: dict[str, str]
    runner: asyncio.Runner
    stage: Stage

    @initialize(quantities=st.lists(UNITS, min_size=len(SKUS), max_size=len(SKUS)))
    def open(self, quantities: list[int]) -> None:
        self.runner.run(self.stage.prepare())
        monitors = {database: self._connect(MONITOR, database) for database in DATABASES}
        self.world = World(0, monitors, self.runner.run(bridged_step_back(monitors["estoque"])))
        self.party = Party(self.world, "pedidos", 1)
        self.judge = Judge(self.world, Model(TIMES.reserva_ttl), TIMES)
        self.pedidos: list[UUID] = []
        estoque, pedidos = (_Pool(self._connect("parte", database)) for database in DATABASES)
        self.operador = Database(estoque)
        self.estoque = CommandHandler(estoque, NoRelay(), TIMES.reserva_ttl, TIMES.event_horizon)
        self.status = PedidosHandler(pedidos, resend_after=TIMES.resend_after)
        self.group_commit = GroupCommit(
            pedidos, NoRelay(), max_batch=9, max_waiting=9, resend_after=TIMES.resend_after
        )
        self.comandos, self.facts = (
            Mailbox(Decoder[Comando](Comando)),
            Mailbox(Decoder[AtualizarStatus](AtualizarStatus)),
        )
        self.relays = (
            _relay(pedidos, "pedidos", self.comandos, to_event),
            _relay(estoque, "estoque", self.facts, status_event),
        )
        self.runner.run(self.world.advance(timedelta()))
        for sku, quantidade in zip(SKUS, quantities, strict=True):
            self.declare(sku, quantidade, paused=False, deleting=False, other=False)

    @rule(
        sku=st.sampled_from(SKUS),
        quantidade=UNITS,
        paused=st.booleans(),
        deleting=st.booleans(),
        other=st.booleans(),
    )
    def declare(self, sku: str, quantidade: int, paused: bool, deleting: bool, other: bool) -> None:
        key = ItemKey("other" if other else "loja", sku.lower())
        item = StockItem(key, sku, 1, 1, sku, sku, quantidade, paused, None, deleting=deleting)
        self.judge.declaring["pedidos"] = [Declaration(key.dono, sku, quantidade, paused, item.ending)]
        self._do("estoque", self.operador.sync([item]))

    @rule(itens=ITENS, times=st.integers(1, 3))
    def order(self, itens: dict[str, int], times: int) -> None:
        new_ones = [creation(_id(), "", "ana", [Item(s, n) for s, n in sorted(itens.items())]) for _ in range(times)]
        self.pedidos += [new.pedido_id for new in new_ones]
        self._send(new_ones, itens)

    @precondition(lambda self: self.pedidos)
    @rule(
        which=st.integers(0, 10**6),
        tipo=st.sampled_from([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR]),
    )
    def command(self, which: int, tipo: CommandType) -> None:
        pedido_id = self.pedidos[which % len(self.pedidos)]
        itens = next(order.itens for order in self.judge.orders.values() if order.pedido_id == pedido_id)
        self._send([NewCommand(_id(), pedido_id, tipo, "", "ana")], {} if tipo == CommandType.CANCELAR else itens)

    @precondition(lambda self: self.comandos.events)
    @rule(chosen=CHOICE)
    def deliver_to_estoque(self, chosen: list[int]) -> None:
        assert self._do("estoque", self.estoque.handle(self.comandos.choose(chosen))) == []

    @precondition(lambda self: self.facts.events)
    @rule(chosen=CHOICE)
    def deliver_to_pedidos(self, chosen: list[int]) -> None:
        assert self._do("pedidos", self.status.handle(self.facts.choose(chosen))) == []

    @rule(seconds=SECONDS)
    def wait_for(self, seconds: float) -> None:
        self.runner.run(self.world.advance(timedelta(seconds=seconds)))

    @rule(limite=st.integers(1, 5))
    def sweep(self, limite: int) -> None:
        self._do("estoque", self.operador.sweep(limite))

    @invariant()
    def ledger_balances(self) -> None:
        if hasattr(self, "judge"):
            assert self.runner.run(self.judge.ledger_violations()) == []

    def _connect(self, name: str, database: str) -> Any:
        return self.runner.run(self.stage.connection(name, database))

    def _send(self, new_ones: list[NewCommand], itens: dict[str, int]) -> None:
        for new in new_ones:
            self.judge.orders[new.id] = Request(new.id, new.tipo, new.pedido_id, itens)
        self._do("pedidos", self.group_commit.write(new_ones))

    def _do(self, database: str, call: Any) -> Any:
        """Runs the step, lets the judge check it, and publishes the resulting facts."""
        self.party.instant = self.world.now

        async def do() -> Any:
            result = await call
            await self.judge.after_commit(self.party, database)
            for relay in self.relays:
                await relay.relay_once()
            return result

        try:
            return self.runner.run(do())
        except ViolationError as violation:
            raise AssertionError(str(violation)) from violation  # which Hypothesis can shrink


class _Pool:
    """A pool of one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.execute, self.fetch = connection.execute, connection.fetch
        self.fetchrow, self.fetchval = connection.fetchrow, connection.fetchval

    def acquire(self) -> "_Pool":
        return self

    async def __aenter__(self) -> Any:
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        pass


def _relay(pool: _Pool, service: str, mailbox: Mailbox, event: Any) -> Relay:
    sql = Queries(service)
    return Relay(pool, mailbox, take=sql["take_outbox"], to_event=event)


def _id() -> UUID:
    _id.last += 1
    return UUID(int=0x019B8E00_0000_7000_8000_000000000000 + _id.last)


_id.last = 0


@pytest.fixture(scope="module")
def urls(backing: System) -> Iterator[dict[str, str]]:
    return prepare(backing, "states")


def live(urls: dict[str, str], mutant: str | None = None) -> None:
    """Lets Hypothesis look for a way to break the rules, with a mistake in the code if one is named."""
    stage = Stage(urls)
    machine = seed(SEED)(type("Machine", (LifeOfOrders,), {"stage": stage}))
    with asyncio.Runner() as runner:
        machine.runner = runner
        runner.run(stage.prepare())
        estoque = runner.run(stage.connection(MONITOR, "estoque"))
        changed = MUTANTS[mutant].applied(estoque) if mutant else nullcontext()
        runner.run(changed.__aenter__())
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    # Ends at the first mistake found.
                    max_examples=5000 if mutant else 200,
                    stateful_step_count=40,
                    deadline=None,
                    phases=[Phase.generate] if mutant else [Phase.generate, Phase.shrink],
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(changed.__aexit__(None, None, None))
            stage.close()


def test_orders_live_according_to_the_model(urls: dict[str, str]):
    live(urls)


@pytest.mark.parametrize("mutant", ["holds-lapsed-units-until-sweep", "ignores-versions", "forgets-refusals"])
def test_a_deliberate_mistake_is_found(urls: dict[str, str], mutant: str):
    with pytest.raises(AssertionError):
        live(urls, mutant)
