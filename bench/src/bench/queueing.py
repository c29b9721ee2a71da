"""A discrete-event simulation of shared cores, event loops, flushes and locks. Pure; time in milliseconds."""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

Continue = Callable[[], None]


class Clock:
    """Simulated time, and the calls that are due."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Continue]] = []
        self._order = count()

    def at(self, time: float, then: Continue) -> None:
        """Calls `then` at that time; calls due at one time keep their order."""
        heapq.heappush(self._due, (time, next(self._order), then))

    def run(self, until: float) -> None:
        """Advances to `until`."""
        while self._due and self._due[0][0] <= until:
            self.now, _, then = heapq.heappop(self._due)
            then()
        self.now = until


class Machine:
    """Cores shared by all jobs (processor sharing): with n jobs each runs at min(1, cores / n)."""

    def __init__(self, clock: Clock, cores: float) -> None:
        self._clock = clock
        self.cores = cores
        self.cpu: dict[str, float] = {}
        self._jobs: list[tuple[float, int, Continue]] = []
        self._order = count()
        self._work = 0.0  # the CPU received by a job that has run since the beginning
        self._seen = 0.0
        self._plan = 0

    def run(self, part: str, cpu: float, then: Continue) -> None:
        """Calls `then` once a job of `part` has received `cpu`."""
        self._advance()
        self.cpu[part] = self.cpu.get(part, 0.0) + cpu
        heapq.heappush(self._jobs, (self._work + cpu, next(self._order), then))
        self._schedule()

    def _rate(self) -> float:
        return min(1.0, self.cores / len(self._jobs))

    def _advance(self) -> None:
        if self._jobs:
            self._work += (self._clock.now - self._seen) * self._rate()
        self._seen = self._clock.now

    def _schedule(self) -> None:
        """Plans the next end of a job; an earlier plan is void."""
        self._plan += 1
        if self._jobs:
            plan = self._plan
            left = max(0.0, self._jobs[0][0] - self._work) / self._rate()
            self._clock.at(self._clock.now + left, lambda: self._end(plan))

    def _end(self, plan: int) -> None:
        if plan != self._plan:
            return
        self._advance()
        self._work = max(self._work, self._jobs[0][0])
        _, _, then = heapq.heappop(self._jobs)
        self._schedule()
        then()


class Loop:
    """An event loop: one thread. A turn runs the tasks that were ready when it began, and itself costs `wake`."""

    def __init__(self, machine: Machine, part: str, wake: float) -> None:
        self._machine = machine
        self._part = part
        self._wake = wake
        self._ready: deque[tuple[float, Continue]] = deque()
        self._left = 0
        self._runs = False
        self.turns = 0
        self.cpu = 0.0

    def submit(self, cpu: float, then: Continue, turns: int = 0) -> None:
        """Calls `then` after a task of this cost, which takes `turns` turns beyond the one that it runs in."""
        self.turns += turns
        self._ready.append((cpu + turns * self._wake, then))
        if not self._runs:
            self._next()

    def _next(self) -> None:
        cpu, then = self._ready.popleft()
        if not self._left:
            self._left = 1 + len(self._ready)
            self.turns += 1
            cpu += self._wake
        self._left -= 1
        self._runs = True
        self.cpu += cpu
        self._machine.run(self._part, cpu, lambda: self._done(then))

    def _done(self, then: Continue) -> None:
        then()
        self._runs = bool(self._ready)
        if self._runs:
            self._next()
        else:
            self._left = 0


class Flush:
    """A log on a disk: one flush at a time, of a fixed length; writers arriving meanwhile share the next one."""

    def __init__(self, clock: Clock, length: float) -> None:
        self._clock = clock
        self._length = length
        self._next: list[Continue] = []
        self._busy = False
        self.flushes = 0

    def __call__(self, then: Continue) -> None:
        """Calls `then` once what has been written so far is on the disk."""
        self._next.append(then)
        if not self._busy:
            self._start()

    def _start(self) -> None:
        self._busy, self.flushes = True, self.flushes + 1
        done, self._next = self._next, []
        self._clock.at(self._clock.now + self._length, lambda: self._end(done))

    def _end(self, done: list[Continue]) -> None:
        self._busy = False
        if self._next:
            self._start()
        for then in done:
            then()


class Locks:
    """Row locks of batches. `conflict(n, m)` draws whether batches of n and m orders have a row in common.

    A batch waits for all earlier batches with which it shares a row, whether they hold their locks or wait.
    """

    def __init__(self, clock: Clock, conflict: Callable[[int, int], bool]) -> None:
        self._clock = clock
        self._conflict = conflict
        self._batches: dict[int, tuple[int, set[int], Continue]] = {}
        self._ids = count()
        self.waiting = Gauge(clock)  # 1 while some batch waits

    def acquire(self, orders: int, then: Callable[[Continue], None]) -> None:
        """Calls `then` with the function that releases the locks, once the batch holds them."""
        batch = next(self._ids)
        before = {other for other, (size, _, _) in self._batches.items() if self._conflict(orders, size)}
        self._batches[batch] = (orders, before, lambda: then(lambda: self._release(batch)))
        if before:
            self._account()
        else:
            self._batches[batch][2]()

    def _release(self, batch: int) -> None:
        del self._batches[batch]
        free = []
        for _, before, then in self._batches.values():
            if batch in before:
                before.remove(batch)
                if not before:
                    free.append(then)
        self._account()
        for then in free:
            then()

    def _account(self) -> None:
        waits = any(before for _, before, _ in self._batches.values())
        self.waiting.add(int(waits) - self.waiting.value)


class Gauge:
    """The use of something, integrated over time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.value = 0
        self._area = 0.0
        self._since = 0.0

    def add(self, change: int) -> None:
        """Changes the use from now on."""
        self._area = self.area
        self._since = self._clock.now
        self.value += change

    @property
    def area(self) -> float:
        """Use x milliseconds until now."""
        return self._area + self.value * (self._clock.now - self._since)
