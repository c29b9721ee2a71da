"""Starts parts in parallel, each as soon as what it needs is ready, and waits for each."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from local_system.errors import LocalSystemError, NotReady
from local_system.layout import Layout
from local_system.parts import Part
from local_system.supervisor import Supervisor

_POLL_SECONDS = 0.1
_DEATHS_TOLERATED = 3
_TAIL_LINES = 15


def in_order(parts: Sequence[Part], start: Callable[[Part], None], cancelled: threading.Event) -> None:
    """Calls `start` for the parts in parallel, for each one after all parts that it needs.

    The first failure, or an interruption of this thread, sets `cancelled`, waits for running starts and is raised.
    """
    waiting = {part.name: part for part in parts}
    ready: set[str] = set()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max(len(waiting), 1)) as pool:
        try:
            while waiting or running:
                for part in [part for part in waiting.values() if ready.issuperset(part.needs)]:
                    running[pool.submit(start, part)] = part.name
                    del waiting[part.name]
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    ready.add(running.pop(future))
        except BaseException:
            cancelled.set()
            raise


def wait_ready(layout: Layout, supervisor: Supervisor, part: Part, cancelled: threading.Event) -> None:
    """Returns when the part's check passes.

    Raises LocalSystemError, which names the part and shows the end of its log, when its deadline passes, when it
    crashes repeatedly, or when `cancelled` is set meanwhile.
    """
    deadline = time.monotonic() + part.deadline
    processes: set[int] = set()
    while True:
        if cancelled.is_set():
            raise LocalSystemError(f"{part.name} is no longer awaited")
        state = supervisor.state(part.name)
        processes |= {state.pid} - {0}
        reason = f"it is {state.name}{f' ({state.error})' if state.error else ''}"
        if state.pid:
            try:
                part.ready()
            except NotReady as not_yet:
                reason = str(not_yet)
            else:
                return
        if len(processes) > _DEATHS_TOLERATED or not state.runs:
            raise LocalSystemError(f"{part.name} does not stay up: {reason}\n{log_end(layout, part.name)}")
        if time.monotonic() > deadline:
            about = f"{part.name} is not ready after {part.deadline:.0f} s: {reason}"
            raise LocalSystemError(f"{about}\n{log_end(layout, part.name)}")
        time.sleep(_POLL_SECONDS)


def log_end(layout: Layout, name: str) -> str:
    """The last lines of a part's log, under a line that says where it is."""
    path = layout.log(name)
    lines = path.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if path.exists() else []
    return "\n".join([f"Its log, {path}, ends with:", *(f"  {line}" for line in lines)])
