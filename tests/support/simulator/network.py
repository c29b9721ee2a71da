"""A broker in memory, at-least-once at best. The seed decides what it loses, duplicates, reorders and delays."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reservaestoque.bus import NotPublishedError
from reservaestoque.events import Decoder
from simulator.world import Party, World


@dataclass(frozen=True)
class Message:
    """A message as a consumer receives it."""

    number: int
    body: bytes


@dataclass
class Queue:
    """A queue and its dead letters; `decoder` reads its messages."""

    name: str
    decoder: Decoder
    messages: list[Message] = field(default_factory=list)
    delivered: "dict[Deliveries, list[Message]]" = field(default_factory=dict)
    dead: list[tuple[bytes, str]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether no message is waiting or in progress."""
        return not self.messages and not any(self.delivered.values())


class Network:
    """Both queues."""

    def __init__(self, world: World, *queues: Queue) -> None:
        self.world = world
        self.queues = {queue.name: queue for queue in queues}
        self.history: list[tuple[Queue, bytes]] = []
        self.losing: Queue | None = None
        """The queue whose messages are all lost, even in calm weather."""
        self._numbers = itertools.count(1)

    def store(self, queue: Queue, body: bytes) -> None:
        """Stores an arrived message."""
        queue.messages.append(Message(next(self._numbers), body))
        self.history.append((queue, body))


class Publisher:
    """A relay's publisher; every message is a step."""

    def __init__(self, party: Party, network: Network, queue: Queue) -> None:
        self._party = party
        self._network = network
        self._queue = queue

    @property
    def connected(self) -> bool:
        return True

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        weather, rng = self._network.world.weather, self._party.rng
        for _, body in messages:
            await self._party.turn("publish")
            if self._network.losing is self._queue:
                self._network.world.note("  the message is lost")
                continue
            if self._network.world.calm:
                self._network.store(self._queue, body)
                continue
            if rng.random() < weather.loss:  # the broker lost it, confirmed or not
                self._network.world.note("  the message is lost")
                self._network.world.seen["message lost"] += 1
            else:
                self._network.store(self._queue, body)
                if rng.random() < weather.copy:
                    self._network.world.seen["message repeated"] += 1
                    self._network.store(self._queue, body)
            if rng.random() < weather.confirm:
                self._network.world.seen["confirm lost"] += 1
                raise NotPublishedError("the confirm was lost")


class Deliveries:
    """A consumer's session: see `reservaestoque.bus.batches.Source`."""

    def __init__(self, party: Party, network: Network, queue: Queue, on_acknowledge: object) -> None:
        self.party = party
        self._network = network
        self._queue = queue
        self._on_acknowledge = on_acknowledge
        queue.delivered[self] = []

    async def wait(self, seconds: float | None) -> Message | None:
        await self.party.turn("take", when=lambda: bool(self._queue.messages) or seconds is not None)
        return self._take() if self._queue.messages else None

    def take(self) -> Message | None:
        if not self._queue.messages or self.party.rng.random() < 0.3:
            return None
        return self._take()

    async def dead_letter(self, body: bytes, reason: str) -> None:
        await self.party.turn(f"dead-lettered: {reason[:60]}")
        self._queue.dead.append((body, reason))
        self.party.world.seen[reason.partition(":")[0]] += 1

    async def put_back(self, kind: str, body: bytes) -> None:
        await self.party.turn("put back")
        self._network.store(self._queue, body)
        self.party.world.seen["put back"] += 1

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        await self.party.turn("acknowledge")
        await self._on_acknowledge(self._queue, messages)  # type: ignore[operator]
        self._queue.delivered[self] = [m for m in self._queue.delivered[self] if m not in messages]

    def close(self) -> None:
        """Ends the session: its messages are redelivered."""
        self._queue.messages += self._queue.delivered.pop(self, [])

    def _take(self) -> Message:
        message = self._queue.messages.pop(self.party.rng.randrange(len(self._queue.messages)))
        self._queue.delivered[self].append(message)
        return message
