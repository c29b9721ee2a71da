"""Which party moves next, and which faults it meets: drawn from a seed, one party and one step at a time."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asyncpg import Connection, ConnectionDoesNotExistError

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Crash(BaseException):
    """The party's process dies here. Like SIGKILL, no handler of its own can catch it."""


class ViolationError(BaseException):
    """An invariant is violated. Like Crash, no handler under test can catch it."""


@dataclass(frozen=True)
class Weather:
    """Probabilities per step of faults: `leaps`, of a leap of the clock past a reservation; `steps_back`, of a step
    back.
    """

    crash: float = 0.0
    connection: float = 0.0
    loss: float = 0.0
    copy: float = 0.0
    confirm: float = 0.0
    leaps: float = 0.2
    steps_back: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> "Weather":
        """Some seeds are calm, so that simple mistakes show without noise; most are not."""
        if rng.random() < 0.15:
            return cls(leaps=rng.choice([0.0, 0.3]), steps_back=rng.choice([0.0, 0.3]))

        def until(ceiling: float) -> float:
            return rng.choice([0.0, ceiling / 4, ceiling])

        return cls(
            until(0.03), until(0.02), until(0.2), until(0.2), until(0.1), rng.choice([0.05, 0.2, 0.4]), until(0.2)
        )


@dataclass
class LockWait:
    """A statement that waits for a lock: its database and server process, whether it gave up, the processes that
    blocked it when last checked, and the number of transactions that had ended by then.
    """

    task: "asyncio.Task[object]"
    database: str
    pid: int
    gave_up: bool = False
    blockers: list[int] = field(default_factory=list)
    ended: int = 0


async def bridged_step_back(estoque: "Connection") -> timedelta:
    """The largest step back of the clock that estoque's SKUs bridge, to the second."""
    tolerated: timedelta = await estoque.fetchval("select clock_tolerance()")
    return tolerated - timedelta(seconds=1)


class Entry(NamedTuple):
    """What a party or the world did, after how many steps and at which time of the world."""

    step: int
    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.step:4} {self.at:%d %H:%M:%S.%f} {self.text}"


class OpenTransaction(NamedTuple):
    """A transaction in progress, with its database and server process."""

    database: str
    pid: int


class Party:
    """A party: one task that moves only when the world lets it."""

    def __init__(self, world: "World", name: str, weight: float) -> None:
        self.world = world
        self.name = name
        self.weight = weight
        self.rng = random.Random(f"{world.seed}/{name}")
        self.task: asyncio.Task[None] | None = None
        self.waiting_for_lock: LockWait | None = None
        self.instant = world.now  # at which its last statement held everything that it had waited for
        self.transaction: OpenTransaction | None = None  # while it is between two statements of one
        self.frozen = False
        self.abandoned = False  # its session ended while it was frozen
        self._gate: asyncio.Future[None] | None = None
        self._when: Callable[[], bool] | None = None
        self._stopped = asyncio.Event()

    async def turn(self, step: str, *, when: Callable[[], bool] | None = None, danger: bool = True) -> None:
        """Waits for its next move, which the world grants only while `when`. Raises Crash or
        ConnectionDoesNotExistError when this step meets that fault; none happens without `danger`.
        """
        if self.world.finished:
            raise asyncio.CancelledError
        if self.abandoned:
            self.abandoned = False
            raise ConnectionDoesNotExistError("terminating connection due to idle-in-transaction timeout")
        self._gate = asyncio.get_running_loop().create_future()
        self._when = when
        self._stopped.set()
        await self._gate
        self._gate = None
        if self.abandoned:
            self.abandoned = False
            raise ConnectionDoesNotExistError("terminating connection due to idle-in-transaction timeout")
        fault = self.world.draw_fault(self) if danger else None
        self.world.note(f"{self.name}: {step}" + (f" → {type(fault).__name__}" if fault else ""))
        if fault:
            self.world.seen[type(fault).__name__] += 1
            raise fault

    @property
    def ready(self) -> bool:
        """Whether it could move now."""
        return not self.frozen and self.at_gate and (self._when is None or self._when())

    @property
    def at_gate(self) -> bool:
        """Whether it is waiting for its next move."""
        return self._gate is not None and not self._gate.done()

    async def move(self) -> None:
        """Lets it take one step; returns when it waits again, has ended, or waits for a lock."""
        assert self._gate is not None
        self._stopped.clear()
        self._gate.set_result(None)
        await self._stopped.wait()

    def freeze(self) -> None:
        """Stops it, as by SIGSTOP, with all the locks that it holds."""
        self.frozen = True
        self.world.note(f"{self.name}: is frozen")

    def thaw(self) -> None:
        """Lets it continue; the server has terminated its transaction."""
        self.frozen = False
        self.abandoned = True
        self.world.note(f"{self.name}: is thawed")

    def stop(self) -> None:
        """Marks that it waits for a lock, or has ended."""
        self._stopped.set()


@dataclass
class World:
    """The seed's world: its clock, its parties, its trail. `monitors` watch the two databases from outside.

    The clock steps back by `step_back` at most.
    """

    seed: int
    monitors: "dict[str, Connection]"
    step_back: timedelta
    rng: random.Random = field(init=False)
    weather: Weather = field(init=False)
    now: datetime = field(default=START, init=False)
    latest: datetime = field(default=START, init=False)
    calm: bool = field(default=False, init=False)
    broker_down: bool = field(default=False, init=False)
    returning: bool = field(default=False, init=False)
    repeated: str | None = field(default=None, init=False)
    parties: list[Party] = field(default_factory=list, init=False)
    trail: list[Entry] = field(default_factory=list, init=False)
    seen: Counter[str] = field(default_factory=Counter, init=False)
    called: set[str] = field(default_factory=set, init=False)
    ended: Counter[str] = field(default_factory=Counter, init=False)  # transactions, by database
    steps: int = field(default=0, init=False)
    violation: BaseException | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.weather = Weather.draw(self.rng)

    def spawn(self, name: str, life: Callable[[Party], Awaitable[None]], weight: float = 1.0) -> Party:
        """Adds a party, which lives `life`."""
        party = Party(self, name, weight)

        async def live() -> None:
            try:
                await life(party)
                self.violation = ViolationError(f"{name} has ended unexpectedly")
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self.violation = self.violation or error
            finally:
                party.stop()

        party.task = asyncio.ensure_future(live())
        self.parties.append(party)
        return party

    def note(self, row: str) -> None:
        """Adds an entry to the trail."""
        self.trail.append(Entry(self.steps, self.now, row))

    def draw_fault(self, party: Party) -> BaseException | None:
        """The fault that a party meets at a step, if any."""
        if self.calm:
            return None
        die = party.rng.random()
        if die < self.weather.crash:
            return Crash()
        if die < self.weather.crash + self.weather.connection:
            return ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return None

    async def advance(self, amount: timedelta) -> None:
        """Moves the clock of both databases ahead."""
        await self._set_clock(self.now + max(amount, timedelta()))

    async def step_back_by(self, amount: timedelta) -> None:
        """Moves the clock of both databases back, to at most `step_back` behind the latest instant that it showed."""
        await self._set_clock(max(self.now - amount, self.latest - self.step_back))

    async def _set_clock(self, instant: datetime) -> None:
        self.now, self.latest = instant, max(instant, self.latest)
        micros = (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        for monitor in self.monitors.values():
            await monitor.execute("select setval('clock', $1)", micros)

    async def run(self, limit: int, *, until_idle: bool = False) -> None:
        """Moves parties until `limit` steps are taken or, with `until_idle`, until all are idle.

        Raises any error that a party must not raise.
        """
        for _ in range(limit):
            await self._settle()
            movable = [party for party in self.parties if party.ready]
            if self.violation is not None:
                raise self.violation
            if not movable:
                if await self._expire_lock_wait():
                    continue
                return
            self.steps += 1
            [party] = self.rng.choices(movable, [p.weight for p in movable])
            await party.move()
            if self.violation is not None:
                raise self.violation
        if until_idle:
            raise ViolationError(f"the parties are not at rest after {limit} steps")

    async def _settle(self) -> None:
        """Lets parties that got the lock they waited for proceed to their next step."""
        for party in self.parties:
            while not (
                party.at_gate
                or _ended_task(party)
                or (party.waiting_for_lock and await self.blocked_by(party.waiting_for_lock))
            ):
                await asyncio.sleep(0)

    async def expire_lock_waits(self) -> None:
        """Lets enough time pass to end all waits for locks."""
        while await self._expire_lock_wait():
            await self._settle()

    async def _expire_lock_wait(self) -> bool:
        """Ends one party's wait for a lock, as the server does; False when none waits."""
        for party in self.parties:
            wait = party.waiting_for_lock
            if wait is not None and not wait.task.done():
                await self.give_up(party)
                await asyncio.wait({wait.task})
                return True
        return False

    async def give_up(self, party: Party) -> None:
        """Times out the lock that a party waits for, which ends its transaction."""
        assert party.waiting_for_lock is not None
        party.waiting_for_lock.gave_up = True
        self.ended[party.waiting_for_lock.database] += 1
        self.note(f"{party.name}: … gives up waiting for a lock")
        self.seen["lock given up"] += 1
        await self.monitors[party.waiting_for_lock.database].execute(
            "select pg_cancel_backend($1)", party.waiting_for_lock.pid
        )

    async def blocked_by(self, wait: "LockWait") -> list[int]:
        """The server processes that hold the lock that this statement waits for, or are ahead of it in the queue.

        They stay the same until a transaction ends.
        """
        if wait.task.done():
            return []
        ended = self.ended[wait.database]
        if not wait.blockers or wait.ended != ended:
            query = "select pg_blocking_pids($1)"
            wait.blockers, wait.ended = await self.monitors[wait.database].fetchval(query, wait.pid), ended
        return wait.blockers

    def lock_waiter(self, database: str, excluding: "Party") -> "LockWait | None":
        """Another party's statement that waits for a lock in this database."""
        waits = (party.waiting_for_lock for party in self.parties if party is not excluding)
        return next((e for e in waits if e is not None and e.database == database), None)

    async def finish(self) -> None:
        """Ends all parties."""
        self.finished = True
        for party in self.parties:
            if party.task is not None:
                party.task.cancel()
        await asyncio.gather(*(p.task for p in self.parties if p.task), return_exceptions=True)


def _ended_task(party: Party) -> bool:
    return party.task is not None and party.task.done()
