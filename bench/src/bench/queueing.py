"""A discrete-event simulation of shared cores, event loops, flushes and locks. Pure; time in milliseconds."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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


@dataclass(slots=True)
class _Job:
    part: str
    left: float
    switch: float
    thread: object
    then: Continue

    @property
    def owner(self) -> object:
        """The owner of a job, which stays on its core: the thread or, for jobs by themselves, the part."""
        return self.part if self.thread is None else self.thread


class _Core:
    """A core, the owner of its last job, and the jobs that wait for it."""

    def __init__(self) -> None:
        self.busy = False
        self.owner: object = None
        self.run_queue: deque[_Job] = deque()


class Machine:
    """Cores on which jobs take turns: a job whose time slice is used up goes to the end of its core's run queue.

    A job goes to the core of its thread's last one or, if that is busy, to an idle core. If none is idle it joins the
    run queue of the former. A core that becomes idle meanwhile takes it only at the next tick, once per time slice. A
    thread has one job at a time; with another one to do at once, it keeps its core for the rest of its slice. A core
    that switches to another thread first spends that job's `switch` (wake-up, cold caches).
    """

    def __init__(self, clock: Clock, cores: int, time_slice: float = math.inf) -> None:
        self._clock = clock
        self.cores = cores
        self.cpu: dict[str, float] = {}
        self.switches: dict[str, int] = {}
        self._slice = time_slice
        self._cores = [_Core() for _ in range(cores)]
        self._last: dict[object, _Core] = {}
        self._ending: object = None
        self._next_of_thread: _Job | None = None

    def run(self, part: str, cpu: float, then: Continue, thread: object = None, switch: float = 0.0) -> None:
        """Calls `then` once a job of `part` has received `cpu`, and `switch` each time that its core switches to it.

        `thread`: the owner of the job; None for a job by itself, which follows the last one of its part.
        """
        self.cpu[part] = self.cpu.get(part, 0.0) + cpu
        job = _Job(part, cpu, switch, thread, then)
        if thread is not None and thread is self._ending:
            if self._next_of_thread is not None:
                raise ValueError("a thread has one job at a time")
            self._next_of_thread = job
        else:
            self._place(job)

    def _place(self, job: _Job) -> None:
        core = self._last.get(job.owner) or self._cores[len(self._last) % self.cores]
        if core.busy:
            core = next((other for other in self._cores if not other.busy), core)
        self._last[job.owner] = core
        core.run_queue.append(job)
        if not core.busy:
            self._continue(core)

    def _continue(self, core: _Core) -> None:
        core.busy = bool(core.run_queue)
        if core.busy:
            self._start(core, core.run_queue.popleft(), self._slice)
        elif self._slice < math.inf and any(other.run_queue for other in self._cores):
            self._clock.at((self._clock.now // self._slice + 1) * self._slice, self._balance)

    def _balance(self) -> None:
        """Idle cores take a job each from the longest run queue."""
        for idle in (core for core in self._cores if not core.busy):
            longest = max(self._cores, key=lambda core: len(core.run_queue))
            if longest.run_queue:
                job = longest.run_queue.popleft()
                self._last[job.owner] = idle
                idle.busy = True
                self._start(idle, job, self._slice)

    def _start(self, core: _Core, job: _Job, slice_left: float) -> None:
        if core.owner is not job.owner:
            core.owner = job.owner
            job.left += job.switch
            self.cpu[job.part] += job.switch
            self.switches[job.part] = self.switches.get(job.part, 0) + 1
        length = min(job.left, slice_left)
        job.left -= length
        self._clock.at(self._clock.now + length, partial(self._end, core, job, slice_left - length))

    def _end(self, core: _Core, job: _Job, slice_left: float) -> None:
        more = job if job.left > 0 else self._finish(job)
        if more is not None and slice_left > 0:
            self._start(core, more, slice_left)
            return
        if more is not None:
            core.run_queue.append(more)
        self._continue(core)

    def _finish(self, job: _Job) -> _Job | None:
        """Ends a job; returns the one with which its thread continues."""
        self._ending, self._next_of_thread = job.thread, None
        job.then()
        more, self._ending, self._next_of_thread = self._next_of_thread, None, None
        return more


class Loop:
    """An event loop: one thread, which does one task after another. `switch`: the cost when a core switches to it."""

    def __init__(self, machine: Machine, part: str, switch: float) -> None:
        self._machine = machine
        self._part = part
        self._switch = switch
        self._ready: deque[tuple[float, Continue]] = deque()
        self._runs = False
        self.cpu = 0.0

    def submit(self, cpu: float, then: Continue) -> None:
        """Calls `then` after a task of this cost."""
        self._ready.append((cpu, then))
        if not self._runs:
            self._next()

    def _next(self) -> None:
        cpu, then = self._ready.popleft()
        self._runs = True
        self.cpu += cpu
        self._machine.run(self._part, cpu, lambda: self._done(then), self, self._switch)

    def _done(self, then: Continue) -> None:
        then()
        self._runs = bool(self._ready)
        if self._runs:
            self._next()


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
    """The use of a resource, integrated over time."""

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
        """The integral of the use over time until now, in milliseconds."""
        return self._area + self.value * (self._clock.now - self._since)
