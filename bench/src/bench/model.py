"""A model of the pipeline: predicts orders/s, latency and use of each part for n replicas and m cores. Pure.

Every process is an event loop (`queueing.Loop`), every statement a separate job on its database's machine; they
take turns on the cores of that machine, each of which has its own run queue. Batches form as in the programs: from
all orders that are waiting when a step becomes free.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench.model_parameters import PARTS, Parameters
from bench.queueing import Clock, Continue, Flush, Gauge, Locks, Loop, Machine

LAYOUTS: Mapping[str, Sequence[Sequence[str]]] = {
    "1": (PARTS,),
    "2": (("generator", "gateway", "pedidos"), ("pedidos-db", "rabbitmq", "estoque", "estoque-db")),
    "4": (("generator", "gateway"), ("pedidos",), ("pedidos-db", "rabbitmq"), ("estoque", "estoque-db")),
    "parts": tuple((part,) for part in PARTS),
}
"""The parts that share each machine, by the name of the layout. Programs that are not modelled (operator, conferir,
…) run on the machine of estoque's database."""

_MESSAGE = 200
"""Maximum number of events in a message."""
_SMOOTHING = 0.2
"""The weight of the latest commit in the moving average of their lengths."""


@dataclass(frozen=True)
class Setup:
    """The system to which the parameters apply. `layout` is one of LAYOUTS; each machine has `cores` cores.

    `background`: cores that everything else uses; None means the parameter of that name.
    """

    pedidos: int = 1
    estoque: int = 1
    cores: int = 2
    layout: str = "1"
    gateway_threads: int = 2
    hot: bool = False
    background: float | None = None


@dataclass(frozen=True)
class Closed:
    """A closed loop: each of `customers` customers orders again as soon as it is answered."""

    customers: int


@dataclass(frozen=True)
class Open:
    """An open loop: orders arrive at the constant rate of `rate` per second."""

    rate: float


@dataclass(frozen=True)
class Queued:
    """estoque alone: its queue holds `orders` orders, and pedidos is down."""

    orders: int


Load = Closed | Open | Queued


@dataclass(frozen=True)
class Prediction:
    """Times are in milliseconds. `cpu`: time per order, by part. `wakes`: switches of a core to a thread, and
    statements, per order, by part. `batch`: orders per transaction of estoque. `used`: utilisation of each resource,
    between 0 and 1. `in_flight`: average number of orders.
    """

    per_second: float
    p50: float
    p99: float
    mean: float
    in_flight: float
    cpu: Mapping[str, float]
    wakes: Mapping[str, float]
    batch: float
    used: Mapping[str, float]

    @property
    def bottleneck(self) -> str:
        """The busiest resource; if none is used for nine tenths of the time, the busiest step, else "latency"."""
        resources = {name: used for name, used in self.used.items() if not _is_step(name)}
        for candidates in (resources, self.used):
            name, used = max(candidates.items(), key=lambda pair: pair[1])
            if used >= _SATURATED:
                return name
        return "latency"


def _is_step(name: str) -> bool:
    """Whether the name is that of a step, which waits for resources."""
    return name.partition(" ")[0] in ("batches", "relay", "statuses", "commits")


_SATURATED = 0.9
_BACKGROUND = "background"


@dataclass(slots=True)
class _Order:
    sent: float
    customer: int
    pod: "_Pedidos | None" = None


class OverloadError(ValueError):
    """The parts cannot keep up with a constant rate. The system's response (503) is not modelled."""


class _World:
    """The wired parts, and the counters."""

    def __init__(self, parameters: Parameters, setup: Setup, seed: int) -> None:
        self.p, self.setup = parameters, setup
        self.rng = random.Random(seed)  # noqa: S311 - not a secret
        self.clock = Clock()
        self.machines = _machines(self.clock, setup, parameters.time_slice)
        _occupy(self.clock, self.machines["estoque-db"], parameters, setup)
        self.statements = {"pedidos-db": 0, "estoque-db": 0}
        self.flushes = {
            part: Flush(self.clock, parameters.flush) for part in ("pedidos-db", "estoque-db", "rabbitmq")
        }
        self.locks = Locks(self.clock, self._draw_conflict)
        self.loops: dict[str, list[Loop]] = {part: [] for part in PARTS if not part.endswith("-db")}
        self.generator = self.loop("generator")
        self.gateway = [self.loop("gateway") for _ in range(setup.gateway_threads)]
        self.commands, self.statuses = _Queue(self), _Queue(self)
        self.pedidos = [_Pedidos(self) for _ in range(setup.pedidos)]
        self.estoque = [_Estoque(self) for _ in range(setup.estoque)]
        self.in_flight = Gauge(self.clock)
        self.latencies: list[float] = []
        self.decided = 0
        self.batches = 0
        self.again: Callable[[int], None] = lambda _: None
        self.pace = 1.0  # the generator's cost per order, compared with that at saturation

    def distinct_machines(self) -> list[Machine]:
        """The machines, each once, in the order of the layout."""
        return list(dict.fromkeys(self.machines[parts[0]] for parts in LAYOUTS[self.setup.layout]))

    def loop(self, part: str) -> Loop:
        loop = Loop(self.machines[part], part, self.p.costs[part].wake)
        self.loops[part].append(loop)
        return loop

    def statement(self, part: str, cpu: float, then: Continue, count: int = 1) -> None:
        """Executes `count` statements that cost `cpu` in all, on top of the fixed cost of each."""
        self.statements[part] += count
        self.machines[part].run(part, cpu + count * self.p.costs[part].wake, then)

    def _draw_conflict(self, n: int, m: int) -> bool:
        """Whether batches of n and m orders have an SKU in common."""
        if self.setup.hot:
            return True
        items, skus = self.p.items, self.p.skus
        return self.rng.random() >= max(0.0, 1 - items * n / skus) ** (items * m)

    def send(self, customer: int) -> None:
        """A customer orders."""
        pod = self.rng.choice(self.pedidos)
        order = _Order(self.clock.now, customer, pod)
        self.in_flight.add(1)
        gateway = self.gateway[customer % len(self.gateway)]
        arrive = partial(pod.request, order)
        route = partial(gateway.submit, self.p.order("gateway.request"), arrive)
        self.generator.submit(self.pace * self.p.order("generator.send"), route)

    def answer(self, order: _Order) -> None:
        """An order's answer leaves pedidos."""
        gateway = self.gateway[order.customer % len(self.gateway)]
        cpu = self.pace * self.p.order("generator.receive")
        receive = partial(self.generator.submit, cpu, partial(self._answered, order))
        gateway.submit(self.p.order("gateway.answer"), receive)

    def _answered(self, order: _Order) -> None:
        self.in_flight.add(-1)
        self.latencies.append(self.clock.now - order.sent)
        self.again(order.customer)


def _machines(clock: Clock, setup: Setup, time_slice: float) -> dict[str, Machine]:
    machines = {parts: Machine(clock, setup.cores, time_slice) for parts in map(tuple, LAYOUTS[setup.layout])}
    return {part: machine for parts, machine in machines.items() for part in parts}


def _occupy(clock: Clock, machine: Machine, parameters: Parameters, setup: Setup) -> None:
    """Starts the load that is not modelled: one job per period, or several at once if it needs more than a core."""
    cores = parameters.background if setup.background is None else setup.background
    jobs = max(1, math.ceil(cores))

    def step() -> None:
        for _ in range(jobs):
            machine.run(_BACKGROUND, cores * parameters.background_period / jobs, lambda: None)
        clock.at(clock.now + parameters.background_period, step)

    step()


_Orders = list[_Order]


class _Relay:
    """Publishes what its process commits, then deletes the rows. Later commits wait until that is done."""

    def __init__(self, world: _World, part: str, loop: Loop, queue: "_Queue") -> None:
        self._world, self._part, self._loop, self._queue = world, part, loop, queue
        self._fresh: deque[_Orders] = deque()
        self.busy = Gauge(world.clock)

    def publish(self, orders: _Orders) -> None:
        self._fresh.append(orders)
        if not self.busy.value:
            self.busy.add(1)
            self._next()

    def _next(self) -> None:
        if not self._fresh:
            self.busy.add(-1)
            return
        orders: _Orders = []
        while self._fresh and len(orders) < self._world.p.publication:
            orders += self._fresh.popleft()
        cpu = self._world.p.order(f"{self._part}.relay") * len(orders)
        self._loop.submit(cpu, partial(self._publish, orders))

    def _publish(self, orders: _Orders) -> None:
        messages = [orders[n : n + _MESSAGE] for n in range(0, len(orders), _MESSAGE)]
        unconfirmed = len(messages)

        def confirmed() -> None:
            nonlocal unconfirmed
            unconfirmed -= 1
            if not unconfirmed:
                self._loop.submit(0.0, partial(self._delete, len(orders)))

        for message in messages:
            self._queue.publish(message, confirmed)

    def _delete(self, count: int) -> None:
        database = f"{self._part}-db"
        cpu = self._world.p.order(f"{database}.relay") * count
        self._world.statement(database, cpu, lambda: self._loop.submit(0.0, self._next))


class _Queue:
    """A queue of the broker, a separate process. Messages go to its consumers in turn, within their prefetch."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._loop = world.loop("rabbitmq")
        self._waiting: deque[_Orders] = deque()
        self._turn = 0
        self.consumers: list[_Consumer] = []

    def publish(self, message: _Orders, confirmed: Continue) -> None:
        def written() -> None:
            confirmed()
            self._waiting.append(message)
            self.deliver()

        cpu = self._world.p.order("rabbitmq") / 2 * len(message)  # an order passes two queues
        self._loop.submit(cpu, lambda: self._world.flushes["rabbitmq"](written))

    def fill(self, messages: Sequence[_Orders]) -> None:
        """Adds messages that were published earlier."""
        self._waiting.extend(messages)
        self.deliver()

    def deliver(self) -> None:
        while self._waiting:
            consumer = self._free()
            if consumer is None:
                return
            message = self._waiting.popleft()
            consumer.unacknowledged += 1
            consumer.loop.submit(0.0, partial(consumer.arrive, message))

    def _free(self) -> "_Consumer | None":
        for _ in self.consumers:
            self._turn = (self._turn + 1) % len(self.consumers)
            consumer = self.consumers[self._turn]
            if consumer.unacknowledged < self._world.p.prefetch:
                return consumer
        return None


class _Consumer:
    """Takes all messages that have arrived, about `max_events` orders at a time, `at_once` batches concurrently."""

    def __init__(
        self, world: _World, loop: Loop, queue: _Queue, at_once: int, handle: Callable[[_Orders, Continue], None]
    ) -> None:
        self._world, self.loop, self._queue, self._at_once, self._handle = world, loop, queue, at_once, handle
        self.busy = Gauge(world.clock)
        self._arrived: deque[_Orders] = deque()
        self.unacknowledged = 0
        queue.consumers.append(self)

    def arrive(self, message: _Orders) -> None:
        self._arrived.append(message)
        self._take()

    def _take(self) -> None:
        while self.busy.value < self._at_once and self._arrived:
            self.busy.add(1)
            orders: _Orders = []
            messages = 0
            while self._arrived and len(orders) < self._world.p.max_events:
                orders += self._arrived.popleft()
                messages += 1
            self._handle(orders, partial(self._settled, messages))

    def _settled(self, messages: int) -> None:
        self.busy.add(-1)
        self.unacknowledged -= messages
        self._queue.deliver()
        self._take()


class _Pedidos:
    """A replica of pedidos: HTTP, group commit, relay, consumer of statuses, waiting requests."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._loop = world.loop("pedidos")
        self.relay = _Relay(world, "pedidos", self._loop, world.commands)
        self.consumer = _Consumer(world, self._loop, world.statuses, 1, self._apply)
        self._waiting: deque[_Order] = deque()
        self.commits = Gauge(world.clock)  # 1 while a commit is under way, not while it waits for its interval
        self._committing = False
        self._not_before = 0.0
        self._usual_length = 0.0

    def request(self, order: _Order) -> None:
        self._loop.submit(self._world.p.order("pedidos.request"), partial(self._enqueue, order))

    def _enqueue(self, order: _Order) -> None:
        self._waiting.append(order)
        if not self._committing:
            self._committing = True
            self._next_commit()

    def _next_commit(self) -> None:
        self._committing = bool(self._waiting)
        if not self._waiting:
            return
        world = self._world
        if len(self._waiting) >= world.p.max_batch or self._not_before <= world.clock.now:
            self._commit()
        else:
            world.clock.at(self._not_before, lambda: self._loop.submit(0.0, self._commit))

    def _commit(self) -> None:
        world = self._world
        self.commits.add(1)
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), world.p.max_batch))]
        started_at = world.clock.now
        interval = max(world.p.interval, min(world.p.rest * self._usual_length, world.p.longest_interval))
        self._not_before = started_at + interval if len(batch) > 1 else 0.0

        def registered() -> None:
            self.commits.add(-1)
            self._usual_length += _SMOOTHING * (world.clock.now - started_at - self._usual_length)
            self.relay.publish(batch)
            self._next_commit()

        def execute() -> None:
            cpu = world.p.order("pedidos-db.register") * len(batch)
            world.statement("pedidos-db", cpu, lambda: world.flushes["pedidos-db"](reply))

        def reply() -> None:
            self._loop.submit(0.0, registered)

        self._loop.submit(world.p.order("pedidos.commit") * len(batch), execute)

    def _apply(self, orders: _Orders, settled: Continue) -> None:
        world = self._world

        def execute() -> None:
            cpu = world.p.order("pedidos-db.apply") * len(orders)
            world.statement("pedidos-db", cpu, lambda: world.flushes["pedidos-db"](committed))

        def committed() -> None:
            for pod in world.pedidos:
                pod.notified(orders)
            self._loop.submit(0.0, settled)

        self._loop.submit(world.p.order("pedidos.apply") * len(orders), execute)

    def notified(self, orders: _Orders) -> None:
        """Every replica reads every notification; it answers the orders whose requests it holds."""
        own = [order for order in orders if order.pod is self]
        others = self._world.p.notify * (len(orders) - len(own))

        def answer() -> None:
            for order in own:
                self._loop.submit(self._world.p.order("pedidos.answer"), partial(self._world.answer, order))

        self._loop.submit(others, answer)


class _Estoque:
    """A replica of estoque: batches of new orders in one transaction each, and the relay of its answers."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._loop = world.loop("estoque")
        self.relay = _Relay(world, "estoque", self._loop, world.statuses)
        self.consumer = _Consumer(world, self._loop, world.commands, world.p.at_once, self._decide)

    def _decide(self, orders: _Orders, settled: Continue) -> None:
        """One batch: read it, then a statement that locks, writes and commits; hand over to the relay."""
        world, size = self._world, len(orders)

        def locked(release: Continue) -> None:
            commit = partial(world.flushes["estoque-db"], partial(committed, release))
            cpu = world.p.order("estoque-db.reserve") * (world.p.hot if world.setup.hot else 1.0) * size
            world.statement("estoque-db", cpu, commit)

        def committed(release: Continue) -> None:
            release()
            world.decided += size
            world.batches += 1
            self._loop.submit(world.p.order("estoque.answer") * size, finish)

        def finish() -> None:
            self.relay.publish(orders)
            settled()

        self._loop.submit(world.p.order("estoque.read") * size, partial(world.locks.acquire, size, locked))


def simulate(parameters: Parameters, setup: Setup, load: Load, *, orders: int = 20_000, seed: int = 1) -> Prediction:
    """Simulates until about `orders` orders have been answered, after a warm-up of a quarter; Queued: all decided.

    Raises OverloadError for a constant rate that is too high.
    """
    world = _World(parameters, setup, seed)
    if isinstance(load, Queued):
        return _drain(world, load.orders)
    _start(world, load)
    most = load.customers if isinstance(load, Closed) else _BACKLOG
    _run_until(world, lambda: len(world.latencies) >= orders // 4, most)
    before = _Counts(world)
    _run_until(world, lambda: len(world.latencies) >= before.answered + orders, most)
    return before.prediction(world)


def _start(world: _World, load: Closed | Open) -> None:
    if isinstance(load, Closed):
        world.again = world.send
        for customer in range(load.customers):
            world.clock.at(world.rng.random() * world.p.interval, partial(world.send, customer))
        return
    gap = 1000 / load.rate
    world.pace = world.p.paced / world.p.order("generator")
    numbers = iter(range(2**62))
    due = 0.0

    def arrive() -> None:
        nonlocal due
        while due <= world.clock.now:
            world.send(next(numbers))
            due += gap
        world.clock.at(max(world.clock.now + _TIMER, due), arrive)

    arrive()


_STEP = 50.0
_TIMER = 1.0
"""Resolution of the generator's timers in milliseconds: wrk sends orders due within one together."""
_BACKLOG = 20_000


def _run_until(world: _World, done: Callable[[], bool], most: int) -> None:
    """Advances in steps. Raises OverloadError when more orders are in flight than `most`."""
    while not done():
        world.clock.run(world.clock.now + _STEP)
        if world.in_flight.value > most:
            raise OverloadError(f"{most:,} orders wait")


def _drain(world: _World, orders: int) -> Prediction:
    """Predicts a drained queue from the first commit to the last, as the bench measures it."""
    everything = [_Order(0.0, n) for n in range(orders)]
    world.statuses.consumers.clear()
    world.commands.fill([everything[n : n + _MESSAGE] for n in range(0, orders, _MESSAGE)])
    while not world.decided:
        world.clock.run(world.clock.now + 1.0)
    before = _Counts(world)
    while world.decided < orders:
        world.clock.run(world.clock.now + 1.0)
    return before.prediction(world)


class _Counts:
    """Counters at the beginning of the window."""

    def __init__(self, world: _World) -> None:
        self.time, self.in_flight, self.answered = world.clock.now, world.in_flight.area, len(world.latencies)
        self.decided, self.batches = world.decided, world.batches
        self.cpu, self.wakes = _cpu(world), _wakes(world)
        self.machines = [_busy(machine) for machine in world.distinct_machines()]
        self.loops = {part: [loop.cpu for loop in loops] for part, loops in world.loops.items()}
        self.flushes = {part: flush.flushes for part, flush in world.flushes.items()}
        self.waiting = world.locks.waiting.area
        self.steps = _steps(world)

    def prediction(self, world: _World) -> Prediction:
        passed = world.clock.now - self.time
        latencies = sorted(world.latencies[self.answered :])
        decided = world.decided - self.decided
        orders = len(latencies) or decided
        return Prediction(
            per_second=orders / passed * 1000,
            p50=_quantile(latencies, 0.5),
            p99=_quantile(latencies, 0.99),
            mean=sum(latencies) / len(latencies) if latencies else 0.0,
            in_flight=(world.in_flight.area - self.in_flight) / passed,
            cpu={part: (ms - self.cpu.get(part, 0.0)) / orders for part, ms in _cpu(world).items()},
            wakes={part: (n - self.wakes[part]) / orders for part, n in _wakes(world).items()},
            batch=decided / max(1, world.batches - self.batches),
            used=self._used(world, passed),
        )

    def _used(self, world: _World, passed: float) -> dict[str, float]:
        used: dict[str, float] = {}
        layout = LAYOUTS[world.setup.layout]
        for parts, machine, before in zip(layout, world.distinct_machines(), self.machines, strict=True):
            name = "cores" if len(layout) == 1 else f"cores of {' + '.join(parts)}"
            used[name] = (_busy(machine) - before) / passed / machine.cores
        for part, loops in world.loops.items():
            busiest = max(loop.cpu - then for loop, then in zip(loops, self.loops[part], strict=True))
            used[f"thread of {part}"] = busiest / passed
        for part, flush in world.flushes.items():
            used[f"flushes of {part}"] = (flush.flushes - self.flushes[part]) * world.p.flush / passed
        used["stock locks"] = (world.locks.waiting.area - self.waiting) / passed
        for step, area in _steps(world).items():
            used[step] = (area - self.steps[step]) / passed
        return {name: min(1.0, share) for name, share in used.items()}


def _cpu(world: _World) -> dict[str, float]:
    """CPU milliseconds so far by part."""
    return {part: world.machines[part].cpu.get(part, 0.0) for part in PARTS}


def _steps(world: _World) -> dict[str, float]:
    """Milliseconds in use so far, for each step that handles a batch at a time."""
    lanes = world.p.at_once * len(world.estoque)
    return {
        "batches of estoque": sum(replica.consumer.busy.area for replica in world.estoque) / lanes,
        "relay of estoque": sum(replica.relay.busy.area for replica in world.estoque) / len(world.estoque),
        "statuses of pedidos": sum(pod.consumer.busy.area for pod in world.pedidos) / len(world.pedidos),
        "relay of pedidos": sum(pod.relay.busy.area for pod in world.pedidos) / len(world.pedidos),
        "commits of pedidos": sum(pod.commits.area for pod in world.pedidos) / len(world.pedidos),
    }


def _busy(machine: Machine) -> float:
    return sum(machine.cpu.values())


def _wakes(world: _World) -> dict[str, int]:
    """Switches of a core to one of its threads, or statements, so far by part."""
    switches = {part: world.machines[part].switches.get(part, 0) for part in world.loops}
    return {**switches, **world.statements}


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
