"""The parties: the services' own code; each of their loops can die and is restarted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from estoque.events import to_event as status_event
from estoque.handler import CommandHandler
from estoque.retention import RetentionPeriods as EstoquePeriods
from estoque.retention import retention_jobs as estoque_retention
from operador.decide.stockitem import ItemKey, StockItem
from operador.stock.database import Database
from pedidos import retention
from pedidos.command import CommandType, IdempotencyKey, KeyBusyError, KeyReusedError, NewCommand, creation, digest
from pedidos.events import to_event
from pedidos.group_commit import Committed, GroupCommit
from pedidos.handler import StatusHandler
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods
from pedidos.retention import retention_jobs as pedidos_retention
from reservaestoque.bus import Batches, Handler, NotPublishedError
from reservaestoque.events import FINAL_STATUSES, CloudEvent, Item
from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries, is_transient
from simulator.database import Connections, PartyDatabase
from simulator.judge import Declaration, Judge
from simulator.model import Request, Snapshot
from simulator.network import Deliveries, Network, Publisher, Queue
from simulator.times import Times
from simulator.world import START, Crash, Party, ViolationError, World

SKUS = ("A", "B", "C")
_FRESH_FIRST = 0.7
UNANSWERED_SINCE = """
select min(criado_em) from (
    select criado_em from comando where respondido_em is null union all select criado_em from pedido where versao = 0
) u
"""
"""The creation time of the oldest command or order that estoque has not answered."""

Life = Callable[[Party], Awaitable[None]]


class HandOver:
    """Delegates to the relay of a process that is currently alive, if any."""

    def __init__(self) -> None:
        self.relay: Relay | None = None

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        """Hands over to the relay that is alive."""
        if self.relay is not None:
            self.relay.publish(rows, events)

    def publish_row(self, row: int) -> None:
        """Relays of the simulation poll instead."""


@dataclass
class KeyUse:
    """A customer's key: the first command sent with it, and the order that it identifies."""

    comando: NewCommand
    pedido_id: UUID | None = None


@dataclass
class Cast:
    """All parties of one seed. `connections` gives a party a connection to a database."""

    world: World
    judge: Judge
    network: Network
    times: Times
    connections: Connections
    keys: dict[str, KeyUse] = field(default_factory=dict)
    claiming: dict[str, list[str]] = field(default_factory=dict)  # by party, the keys that it is claiming
    relays: dict[str, HandOver] = field(default_factory=dict)  # by service and number of the replica

    def spawn(self) -> None:
        """Starts all parties: two replicas of everything, as many customers."""
        for name, (life, weight) in PARTIES.items():
            self.world.spawn(name, lambda party, life=life: _run_and_restart(party, lambda p: life(self, p)), weight)

    def _database(self, party: Party, name: str) -> PartyDatabase:
        return PartyDatabase(party, name, self.connections, self.judge.after_commit)

    def _hand_over(self, service: str, party: Party) -> HandOver:
        """The relay of the replica that a party belongs to."""
        return self.relays.setdefault(f"{service}-{party.name.rpartition('-')[2]}", HandOver())

    def _may_act(self, party: Party) -> Callable[[], bool]:
        """Whether the party may act on its own: once the seed is calm, only if it is called."""
        return lambda: not self.world.calm or party.name in self.world.called

    # The services

    def _estoque(self, party: Party) -> Life:
        consumer = CommandHandler(
            self._database(party, "estoque"),
            self._hand_over("estoque", party),
            self.times.reserva_ttl,
            self.times.event_horizon,
        )
        return self._consume(party, self.network.queues["estoque.pedidos"], consumer)

    def _pedidos(self, party: Party) -> Life:
        consumer = StatusHandler(self._database(party, "pedidos"), resend_after=self.times.resend_after)
        return self._consume(party, self.network.queues["pedidos.status"], consumer)

    def _consume(self, party: Party, queue: Queue, handler: Handler) -> Life:
        async def life(_: Party) -> None:
            batches = Batches(
                queue.name,
                queue.decoder,
                handler,
                max_events=party.rng.choice([1, 3, 20]),
                pause=lambda _: party.turn("pause"),
            )
            deliveries = Deliveries(party, self.network, queue, self.judge.on_acknowledge)
            try:
                await batches.run(deliveries)
            finally:
                deliveries.close()

        return life

    def _relay_estoque(self, party: Party) -> Life:
        sql = Queries("estoque")
        return self._relay(party, "estoque", "pedidos.status", sql, status_event)

    def _relay_pedidos(self, party: Party) -> Life:
        sql = Queries("pedidos")
        return self._relay(party, "pedidos", "estoque.pedidos", sql, to_event)

    def _relay(self, party: Party, database: str, queue: str, sql: Queries, event: Callable[..., object]) -> Life:
        publisher = Publisher(party, self.network, self.network.queues[queue])
        relay = Relay(
            self._database(party, database),
            publisher,
            take=sql["take_outbox"],
            to_event=event,
        )
        self._hand_over(database, party).relay = relay

        async def life(_: Party) -> None:
            while True:
                await party.turn("look into the outbox", when=lambda: self._has_unpublished(database))
                if party.rng.random() < _FRESH_FIRST:
                    await relay.publish_fresh()
                else:
                    await relay.relay_once()

        return life

    def _has_unpublished(self, database: str) -> bool:
        return self.judge.unpublished[database] > 0 and not self.world.broker_down

    def _resend(self, party: Party) -> Life:
        resend = Resend(
            self._database(party, "pedidos"),
            HandOver(),
            after=self.times.resend_after,
            until=self.times.resend_horizon,
            horizon=self.times.event_horizon,
        )
        return self._repeat(party, resend.step)

    def _retention(self, party: Party) -> Life:
        pedidos, times = self._database(party, "pedidos"), self.times
        periods = RetentionPeriods(
            times.idempotency_retention,
            times.abandoned_after,
            times.pedidos_order_retention,
            times.change_retention,
        )
        jobs = (
            *pedidos_retention(pedidos, self._group_commit(party, pedidos), periods).values(),
            *estoque_retention(
                self._database(party, "estoque"),
                EstoquePeriods(times.inbox_retention, times.estoque_order_retention, times.change_retention),
            ).values(),
        )

        async def step() -> None:
            # Real ids would be in a different order each time.
            with patch.object(retention, "new_id", lambda: _uuid(party)):
                for job in jobs:
                    await job()

        return self._repeat(party, step)

    def _sweep(self, party: Party) -> Life:
        operador = Database(self._database(party, "estoque"))

        async def step() -> None:
            await operador.sweep(party.rng.choice([1, 2, 50]))

        return self._repeat(party, step)

    def _repeat(self, party: Party, step: Callable[[], Awaitable[object]]) -> Life:
        async def life(_: Party) -> None:
            while True:
                await party.turn("time for its job", when=self._may_act(party))
                self.world.called.discard(party.name)
                await step()

        return life

    def _group_commit(self, party: Party, database: PartyDatabase) -> GroupCommit:
        relay = self._hand_over("pedidos", party)
        return GroupCommit(database, relay, max_batch=9, max_waiting=9, resend_after=self.times.resend_after)

    # Parties outside the services

    def _clock(self, party: Party) -> Life:
        async def step() -> None:
            rng = party.rng
            periods = sorted({r.expira_em for r in self.judge.model.snapshots.values() if r.expira_em})
            if rng.random() < self.world.weather.steps_back:
                self.world.seen["clock stepped back"] += 1
                await self.world.step_back_by(timedelta(seconds=rng.choice([0.001, 3, 60, 500])))
            elif periods and rng.random() < 0.3:
                # Right before, at and after the instant at which a reservation lapses.
                alvo = rng.choice(periods) + timedelta(microseconds=rng.choice([-1, 0, 1]))
                await self.world.advance(await self._permitted_leap(alvo - self.world.now))
            elif rng.random() < self.world.weather.leaps:
                ttl = self.times.reserva_ttl
                await self.world.advance(await self._permitted_leap(rng.choice([ttl / 2, ttl, 2 * ttl])))
            else:
                await self.world.advance(timedelta(seconds=rng.choice([0.001, 1, 31, 120])))

        return self._repeat(party, step)

    async def _permitted_leap(self, leap: timedelta) -> timedelta:
        """A leap of the clock, omitted if unanswered commands would be given up, or orders forgotten.

        A command that is written and not yet committed may become one of them: the server ends transactions that
        pause, so none is open across a long leap.
        """
        if any(party.transaction and party.transaction.database == "pedidos" for party in self.world.parties):
            return min(leap, timedelta(seconds=1))
        since = await self.world.monitors["pedidos"].fetchval(UNANSWERED_SINCE)
        then = self.world.now + leap
        late = since is not None and then - since > self.times.resend_horizon / 2
        return timedelta(seconds=1) if late or then - START > self.times.shortest_memory else leap

    def _shop(self, party: Party) -> Life:
        operador = Database(self._database(party, "estoque"))

        async def step() -> None:
            rng = party.rng
            # All of them at first: a missing row cannot be locked, so an order that arrives while it is being created
            # may legitimately find it or not.
            new_ones = [sku for sku in SKUS if sku not in self.judge.model.products]
            itens = [self._manifest(party, sku) for sku in new_ones or rng.sample(SKUS, rng.randint(1, 2))]
            self.judge.declaring[party.name] = [
                Declaration(i.key.dono, i.sku, i.quantidade, i.paused, i.ending) for i in itens
            ]
            await operador.sync(itens)

        return self._repeat(party, step)

    def _manifest(self, party: Party, sku: str) -> StockItem:
        rng = party.rng
        return StockItem(
            key=ItemKey("loja", f"{sku.lower()}{'-other' if rng.random() < 0.1 else ''}"),
            uid=sku,
            version=1,
            generation=1,
            sku=sku,
            nome=sku,
            quantidade=rng.choice([2, 5, 9, 9, 20, 20, 20]),
            paused=rng.random() < 0.05,
            limite_baixo=None,
            deleting=sku in self.judge.model.products and rng.random() < 0.05,
        )

    def _customer(self, party: Party) -> Life:
        database = self._database(party, "pedidos")
        group_commit = self._group_commit(party, database)

        async def step() -> None:
            if not self.judge.model.products:
                return
            comandos = [self._draw_command(party) for _ in range(party.rng.choice([1, 1, 2, 4]))]
            new_ones = [c for c in comandos if c is not None and c.pedido_id not in self._ended_orders(c)]
            if not new_ones:
                return
            for new in new_ones:
                itens = {item.sku: item.quantidade for item in new.itens or []}
                from_before = next((o.itens for o in self.judge.orders.values() if o.pedido_id == new.pedido_id), {})
                pedidos = {} if new.tipo == CommandType.CANCELAR else itens or from_before
                self.judge.orders[new.id] = Request(new.id, new.tipo, new.pedido_id, pedidos)
            self.claiming[party.name] = [new.key.value for new in new_ones if new.key is not None]
            try:
                results = await group_commit.write(new_ones)
            except asyncpg.LockNotAvailableError as missing:
                if any(party.frozen and party.name.startswith("customer") for party in self.world.parties):
                    raise ViolationError(f"{len(new_ones)} commands wait for a key of a frozen replica") from missing
                raise
            for new, result in zip(new_ones, results, strict=True):
                self._check_answer(new, result)

        return self._repeat(party, step)

    def _ended_orders(self, comando: NewCommand) -> set[UUID]:
        """pedidos accepts no more commands to an order that it knows to have ended."""
        snapshot = self.judge.model.snapshots.get(comando.pedido_id)
        end = snapshot is not None and snapshot.status in FINAL_STATUSES and comando.itens is None
        return {comando.pedido_id} if end and comando.id.int % 4 else set()

    def _draw_command(self, party: Party) -> NewCommand | None:
        rng = party.rng
        known = sorted(self.judge.accepted)
        if self.world.returning:
            lapsed = [c for c in known if self.judge.model.snapshots.get(c, Snapshot()).status == "ReservaExpirada"]
            return NewCommand(_uuid(party), rng.choice(lapsed), CommandType.RESERVAR, "", "ana") if lapsed else None
        if self.keys and rng.random() < (0.5 if self.world.repeated else 0.15):
            return self._repeat_request(party)
        if known and rng.random() < 0.55:
            tipo = rng.choice([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR])
            pedido_id = rng.choice(known)
            return NewCommand(_uuid(party), pedido_id, tipo, "", "ana", known_items=self._items_of(pedido_id))
        skus = rng.sample((*SKUS, "NAO-HA") if rng.random() < 0.05 else SKUS, rng.randint(1, 3))
        itens = [Item(sku, rng.randint(1, 3)) for sku in sorted(set(skus))]
        key = (
            IdempotencyKey("ana", "/pedidos", str(rng.randrange(10**6)), digest(itens))
            if rng.random() < 0.4
            else None
        )
        new = creation(_uuid(party), "", "ana", itens, key)
        if key is not None:
            self.keys[key.value] = KeyUse(new)
        return new

    def _items_of(self, pedido_id: UUID) -> list[Item]:
        """The items of an order that a customer knows of."""
        itens = next(request.itens for request in self.judge.orders.values() if request.pedido_id == pedido_id)
        return [Item(sku, quantidade) for sku, quantidade in itens.items()]

    def _repeat_request(self, party: Party) -> NewCommand:
        """A customer repeats a request with the same key, with the same body (or, wrongly, with another)."""
        before = self.keys[self.world.repeated or party.rng.choice(sorted(self.keys))].comando
        key = before.key
        if key is not None and party.rng.random() < 0.2:
            key = replace(key, body_hash=b"something else")
        pedido_id = _uuid(party)
        return replace(before, id=pedido_id, pedido_id=pedido_id, key=key)

    def _check_answer(self, new: NewCommand, result: Committed | Exception) -> None:
        """Checks the customer's answer: while a key is kept, it identifies one order."""
        if isinstance(result, Exception):
            if not (isinstance(result, KeyReusedError | KeyBusyError) and new.key is not None):
                raise result
            self.world.seen[type(result).__name__] += 1
            return
        self.judge.accepted.add(result.pedido_id)
        if result.command_id == new.id:
            self.judge.commanded.add(new.id)
        if new.key is None:
            return
        use = self.keys[new.key.value]
        # Kept from the commit on; the customer may learn of it much later.
        if use.pedido_id is None or self.world.now - _created_at(use.pedido_id) > self.times.idempotency_retention:
            use.pedido_id = result.pedido_id
        if use.pedido_id != result.pedido_id:
            raise ViolationError(f"key {new.key.value} made two orders: {use.pedido_id}, {result.pedido_id}")


def _uuid(party: Party) -> UUID:
    """A UUIDv7 from this seed, so that the history is the same every time."""
    milliseconds = int(party.world.now.timestamp() * 1000)
    rng = party.rng.getrandbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | (rng >> 62) << 64 | 2 << 62 | rng & (1 << 62) - 1)


def _created_at(pedido_id: UUID) -> datetime:
    """The time at which this id was created (RFC 9562, section 5.7), to the millisecond."""
    return datetime.fromtimestamp((pedido_id.int >> 80) / 1000, UTC)


async def _run_and_restart(party: Party, spawn: Callable[[Party], Life]) -> None:
    """Runs a party's life. After a crash or a transient fault, a new one starts without any state."""
    while True:
        life = spawn(party)
        try:
            await life(party)
        except Crash:
            await party.turn("is born again", danger=False)
        except (NotPublishedError, ConnectionError):
            await party.turn("tries again", danger=False)
        except Exception as fault:
            if not is_transient(fault):
                raise
            await party.turn("tries again", danger=False)


PARTIES: dict[str, tuple[Callable[[Cast, Party], Life], float]] = {
    "estoque-1": (Cast._estoque, 3),
    "estoque-2": (Cast._estoque, 3),
    "relay-estoque-1": (Cast._relay_estoque, 1),
    "relay-estoque-2": (Cast._relay_estoque, 1),
    "pedidos-1": (Cast._pedidos, 2),
    "pedidos-2": (Cast._pedidos, 2),
    "relay-pedidos-1": (Cast._relay_pedidos, 1),
    "relay-pedidos-2": (Cast._relay_pedidos, 1),
    "customer-1": (Cast._customer, 1),
    "customer-2": (Cast._customer, 1),
    "sweep-1": (Cast._sweep, 0.8),
    "sweep-2": (Cast._sweep, 0.8),
    "resend-1": (Cast._resend, 0.3),
    "resend-2": (Cast._resend, 0.3),
    "retention": (Cast._retention, 0.1),
    "shop": (Cast._shop, 0.2),
    "clock": (Cast._clock, 0.6),
}
"""All parties by name: their behaviour, and how often they move."""
