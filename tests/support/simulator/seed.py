"""One seed, from an empty shop to the end of the last order."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from reservaestoque.events import AtualizarStatus, Comando, Decoder
from reservaestoque.retention import LAP
from simulator.judge import Judge
from simulator.model import Model
from simulator.network import Network, Queue
from simulator.parties import UNANSWERED_SINCE, Cast
from simulator.times import Times
from simulator.world import Entry, Party, ViolationError, World, bridged_step_back

DATABASES = ("estoque", "pedidos")
_CLOCK = """
create sequence if not exists clock minvalue 0;
create or replace function agora() returns timestamptz language sql volatile as
    'select timestamptz ''epoch'' + last_value * interval ''1 microsecond'' from clock';
"""
_TABLES = {
    "estoque": ("estoque", "pedido", "reserva", "inbox", "outbox", "mudanca"),
    "pedidos": ("pedido", "comando", "idempotencia", "outbox", "mudanca"),
}
_LAPSED = "reservations beyond their time"
_UNHEARD = """
select id, status, expira_em, perguntar_em,
    case causa when id then criado_em else (select c.criado_em from comando c where c.id = causa) end as caused_at
from pedido where expira_em <= agora()
"""
"""Orders whose reservation has lapsed, as far as pedidos knows, with the time of the command behind it."""
_OLD = ("ForaDoHorizonte", "PedidoDesconhecido", "PedidoEsquecido")
"""The reasons for which old messages are set aside; another check shows that no order is lost."""
_PENDING = {
    "facts not published": "select true from outbox limit 1",
    "commands without an answer": "select true from comando where respondido_em is null limit 1",
    "orders without a decision": "select true from pedido where status = 'Criado' limit 1",
    _LAPSED: "select true from pedido where expira_em <= agora() limit 1",
}
MONITOR = "monitor"
_RENEWAL_STEPS = 60
_NOTICES_ARRIVE = 0.5
_ANSWERS_LOST = 0.3
_AGE = 0.25
_FREEZE = 0.3
_CUSTOMER_ROUNDS = 3
_FROZEN_STEPS = 150
_ROUNDS = 60
_STEPS = 5000


class SeedFailedError(Exception):
    """A seed found a violation; has the error and the end of its trail."""

    def __init__(self, seed: int, error: BaseException, trail: Sequence[Entry]) -> None:
        end = "\n".join(map(str, trail[-60:]))
        super().__init__(f"seed {seed}: {error}\n{end}\n(replay it: make simulate SEED={seed})")
        self.seed = seed


class Stage:
    """Connections to the two databases by party; kept from seed to seed, reopened after a failure."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls
        self._connections: dict[tuple[str, str], asyncpg.Connection] = {}

    async def prepare(self) -> None:
        """Replaces the databases' clock, if this has not been done, and empties them.

        Truncated and never vacuumed, so that the physical order of rows, and so their order in statements that do not
        sort, does not depend on earlier seeds.
        """
        for database in DATABASES:
            if (MONITOR, database) not in self._connections:
                await self._replace_clock(database)
            monitor = await self.connection(MONITOR, database)
            await monitor.execute(f"truncate {', '.join(_TABLES[database])} restart identity")

    async def _replace_clock(self, database: str) -> None:
        """Called once, not for each seed: DDL invalidates the plans of every connection."""
        monitor = await self.connection(MONITOR, database)
        await monitor.execute(_CLOCK)
        for table in _TABLES[database]:
            await monitor.execute(f"alter table {table} set (autovacuum_enabled = false)")

    async def connection(self, name: str, database: str) -> asyncpg.Connection:
        """The connection of a party to a database."""
        if (name, database) not in self._connections:
            self._connections[name, database] = await asyncpg.connect(
                self._urls[database],
                server_settings={
                    "synchronous_commit": "off",
                    "timezone": "UTC",
                    # One plan per statement: planning each execution, as the services do, is a quarter of all CPU
                    # here, and switching between the two after some executions would change the order of rows.
                    "plan_cache_mode": "force_generic_plan",
                },
            )
        return self._connections[name, database]

    def close(self) -> None:
        """Closes all connections, even in the middle of a statement."""
        for connection in self._connections.values():
            connection.terminate()
        self._connections.clear()


async def run_seed(stage: Stage, seed: int) -> World:
    """Runs a seed. Raises SeedFailedError when it finds a violation."""
    await stage.prepare()
    monitors = {database: await stage.connection(MONITOR, database) for database in DATABASES}
    world = World(seed, monitors, await bridged_step_back(monitors["estoque"]))
    await world.advance(timedelta())
    times = Times.draw(seed)
    world.note(f"{times}")
    judge = Judge(world, Model(times.reserva_ttl), times)
    network = Network(
        world,
        Queue("estoque.pedidos", Decoder[Comando](Comando)),
        Queue("pedidos.status", Decoder[AtualizarStatus](AtualizarStatus)),
    )
    cast = Cast(world, judge, network, times, stage.connection)
    cast.spawn()
    try:
        await _live(cast)
    except (Exception, ViolationError) as error:
        stage.close()
        raise SeedFailedError(seed, error, world.trail) from error
    finally:
        await world.finish()
    return world


async def _live(cast: Cast) -> None:
    """The parties' whole history, from the first order to the end of the last one."""
    world, judge, network, times = cast.world, cast.judge, cast.network, cast.times
    await world.run(world.rng.choice([100, 200, 400]))
    if world.rng.random() < _FREEZE:
        await _freeze(world, cast)
    await _stop_the_broker(world, times)
    await _calm_down(world, judge, network)
    await _lapse(world, network, times)
    await _calm_down(world, judge, network)
    if world.rng.random() < _AGE:
        await _age(world, judge, network)


async def _freeze(world: World, cast: Cast) -> None:
    """Freezes a party with its locks held, as by SIGSTOP. The others continue: those that need none of its locks must
    not wait. In the end the server terminates its transaction.
    """
    frozen = await _inside_a_transaction(world)
    if frozen is None:
        return
    world.calm = True
    frozen.freeze()
    world.seen[f"frozen: {frozen.name.rpartition('-')[0]}"] += 1
    world.repeated = next(iter(cast.claiming.get(frozen.name, ())), None)
    judge, network = cast.judge, cast.network
    for round_ in range(_ROUNDS):
        world.called |= {"resend-1", "resend-2"}
        if round_ < _CUSTOMER_ROUNDS:
            world.called |= {"customer-1", "customer-2"}
        await world.run(_FROZEN_STEPS)
        if round_ >= _CUSTOMER_ROUNDS and not await judge.waiting_without_reason(frozen, network.queues.values()):
            break
        await world.advance(cast.times.resend_after * min(round_ + 1, 20))
        await world.expire_lock_waits()
    else:
        held = await judge.waiting_without_reason(frozen, network.queues.values())
        raise ViolationError(f"{frozen.name} is frozen, and orders wait that need nothing from it: {held}")
    world.repeated = None
    frozen.thaw()


async def _inside_a_transaction(world: World) -> Party | None:
    """A party that is between two statements of a transaction, if one gets there within a bounded number of steps."""
    for _ in range(_FROZEN_STEPS):
        await world.run(1)
        in_between = [party for party in world.parties if party.transaction is not None and party.at_gate]
        if in_between and world.rng.random() < 0.2:
            return world.rng.choice(in_between)
    return None


async def _stop_the_broker(world: World, times: Times) -> None:
    """The broker is down for longer than commands are resent, with accepted commands still in the outbox.

    Only in seeds without message loss: a command whose message was lost that long ago is no longer resent.
    """
    if world.weather.loss or world.seed % 2:
        return
    world.calm = True
    since = await world.monitors["pedidos"].fetchval(UNANSWERED_SINCE) or world.now
    # By then the oldest is no longer resent, but not yet too old for estoque.
    await world.advance((times.resend_horizon + times.event_horizon) / 2 - (world.now - since))
    world.broker_down = True
    for _ in range(2):
        world.called |= {"resend-1", "retention"}
        await world.run(_STEPS, until_idle=True)
    world.broker_down = False


async def _lapse(world: World, network: Network, times: Times) -> None:
    """All reservations lapse. Some seeds lose the notices, and some of these also the first answers to follow-ups."""
    if world.rng.random() < _NOTICES_ARRIVE:
        await world.advance(2 * times.reserva_ttl)
        return
    network.losing = network.queues["pedidos.status"]
    await world.advance(times.reserva_ttl)
    world.called |= {"sweep-1", "sweep-2"}
    await world.run(_STEPS, until_idle=True)
    unheard = await world.monitors["pedidos"].fetch(_UNHEARD)
    world.seen["lapse lost of an old command"] += any(
        row["status"] == "EstoqueReservado"
        and row["caused_at"]
        and world.now - row["caused_at"] > times.resend_horizon
        for row in unheard
    )
    if world.rng.random() < _ANSWERS_LOST:
        await world.advance(times.resend_horizon + timedelta(minutes=1))
        world.called |= {"resend-1"}
        await world.run(_STEPS, until_idle=True)
    network.losing = None


async def _age(world: World, judge: Judge, network: Network) -> None:
    """Weeks later, when old data has been purged, old messages reappear: they must have no effect."""
    past = len(network.history)
    await world.advance(timedelta(days=world.rng.choice([8, 40])))
    await _renew_abandoned_orders(world)
    for _ in range(2):  # abandoned orders are cancelled in the first round
        world.called.add("retention")
        await _calm_down(world, judge, network)
    for queue, body in world.rng.choices(network.history[:past], k=5) if past else ():
        network.store(queue, body)
    await _calm_down(world, judge, network)


async def _renew_abandoned_orders(world: World) -> None:
    """Customers renew orders that pedidos has just found abandoned and is about to cancel."""
    world.called.add("retention")
    for _ in range(_STEPS):
        await world.run(1)
        if "retention: pedidos Examines the next $2 orders after $3 with status $4" in world.trail[-1].text:
            break
    world.returning = True
    world.called |= {"customer-1", "customer-2"}
    await world.run(_RENEWAL_STEPS)
    world.returning = False


async def _calm_down(world: World, judge: Judge, network: Network) -> None:
    """No more orders and no more faults: within some rounds everything must be decided, reported and consistent."""
    world.calm = True
    for round_ in range(_ROUNDS):
        await world.run(_STEPS, until_idle=True)
        pending = await _pending_work(world, network)
        if not pending:
            letters = [letter for queue in network.queues.values() for letter in queue.dead]
            await judge.check_end(c for c in letters if not c[1].startswith(_OLD))
            return
        if pending == [f"pedidos: {_LAPSED}"]:
            await _await_abandonment(world, judge.times)
        world.called |= {"resend-1", "sweep-1", "sweep-2"}
        await world.run(_STEPS, until_idle=True)
        await world.advance(judge.times.resend_after * min(round_ + 1, 20))
    raise ViolationError(f"not at rest after {_ROUNDS} rounds: {await _pending_work(world, network)}")


async def _await_abandonment(world: World, times: Times) -> None:
    """If pedidos no longer follows up on any unreported lapse, moves the clock to where it cancels those orders.

    Raises ViolationError when pedidos has given up although estoque would still answer.
    """
    unheard = await world.monitors["pedidos"].fetch(_UNHEARD)
    if any(row["perguntar_em"] is not None for row in unheard):
        return
    for row in unheard:
        lapsed, commanded = world.now - row["expira_em"], row["caused_at"]
        if lapsed < times.resend_horizon and commanded is not None and world.now - commanded < times.event_horizon:
            raise ViolationError(f"order {row['id']}: follow-ups given up {lapsed} after its reservation lapsed")
    world.seen["question given up"] += 1
    due = max(row["expira_em"] for row in unheard) + times.abandoned_after
    # A scan that has reached its end starts over in the next lap.
    await world.advance(due - world.now + LAP + timedelta(seconds=1))
    world.called.add("retention")


async def _pending_work(world: World, network: Network) -> list[str]:
    """The work that is still pending."""
    missing = [f"messages in {queue.name}" for queue in network.queues.values() if not queue.empty]
    for database, monitor in world.monitors.items():
        for what, query in _PENDING.items():
            if "comando" in query and database == "estoque":
                continue
            if await monitor.fetchval(query):
                missing.append(f"{database}: {what}")
    return missing
