"""Wires the operator and runs it: its loops start and stop together."""

import asyncio
import time
from datetime import timedelta

from operador.cluster.access import Access
from operador.cluster.api import ClusterApi, ClusterError
from operador.cluster.event_recorder import EventRecorder
from operador.cluster.finalizer import Finalizer
from operador.cluster.status_writer import StatusWriter
from operador.cluster.watch import Watch
from operador.loops.balances import Balances
from operador.loops.reconciler import Reconciler
from operador.loops.resync import Resync
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from operador.settings import OperadorSettings
from operador.stock.database import Database
from operador.stock.sweep import Lag, Sweep
from operador.stock.sweep import pace as sweep_pace
from reservaestoque.periodic import Pace, Periodic, Step
from reservaestoque.postgres import Connector, ServerWatch, open_pool
from reservaestoque.program import Health, Heartbeats, Program, Task

_STATEMENT_SECONDS = 30.0
_IDLE_SECONDS = 60.0
"""A resync reads all balances page by page in one transaction, and compares each page before it fetches the next."""
POOL_CONNECTIONS = 6
CONNECTIONS = POOL_CONNECTIONS + 1
"""One more for the watch. The charts rely on it."""
_STATUS_WORKERS = 24
_MANY_STATUSES = 100
_DEADLINE = 120.0
_STOP_SECONDS = 8.0
_REST = 2.0
"""Pause after a page of balances, as a multiple of the time it took: it leaves the database to orders, and still
keeps up with 70,000 changes a second."""


async def run(settings: OperadorSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises an ExceptionGroup when any part fails: it never runs partially.

    Raises AccessError.
    """
    access = Access(settings.kubeconfig)
    async with (
        access.open_session() as http,
        await open_pool(
            settings.database_url,
            program="operador",
            size=POOL_CONNECTIONS,
            statement_seconds=_STATEMENT_SECONDS,
            idle_seconds=_IDLE_SECONDS,
        ) as pool,
    ):
        server_watch = ServerWatch(Connector(settings.database_url), pool, program="operador")
        api = ClusterApi(http, access.info.server, settings.namespace)
        await wire(settings, access, api, Database(pool), server_watch).run()


def wire(
    settings: OperadorSettings, access: Access, api: ClusterApi, database: Database, server_watch: ServerWatch
) -> Program:
    """The operator, ready to run."""
    heartbeats, cache, queue = Heartbeats(), Cache(), WorkQueue(time.monotonic)
    recorder = EventRecorder(api)
    writer = StatusWriter(api, cache, queue, recorder)
    balances = Balances(database=database, cache=cache, queue=queue, writer=writer)
    reconciler = Reconciler(
        database=database,
        queue=queue,
        cache=cache,
        finalizer=Finalizer(api, cache, queue),
        writer=writer,
        balances=balances,
        deletion_seconds=settings.status_interval.total_seconds(),
    )
    resync = Resync(
        api=api,
        database=database,
        cache=cache,
        queue=queue,
        balances=balances,
        namespace=settings.namespace,
        beat=heartbeats.register("resync", _DEADLINE),
    )
    watch = Watch(
        cache=cache,
        queue=queue,
        namespace=settings.namespace,
        access=access,
        beat=heartbeats.register("watch", _DEADLINE),
        began=resync.watch_began,
    )
    sweep = Sweep(database, Lag(time.monotonic))

    def loop(name: str, step: Step, pace: Pace, wake: asyncio.Event | None = None) -> Task:
        beat = heartbeats.register(name, _DEADLINE)
        return Periodic(step, name=name, pace=pace, transient=(ClusterError,), beat=beat, wake=wake).run

    tasks: dict[str, Task] = {
        "sweep": loop("sweep", sweep.step, sweep_pace(settings.expiry_interval)),
        "reconcile": loop("reconcile", reconciler.step, Pace(every=timedelta(), longest=5.0)),
        "balances": loop("balances", balances.step, Pace(every=settings.status_interval, rest=_REST, longest=5.0)),
        "resync": loop("resync", resync.step, Pace(every=settings.resync_interval, longest=10.0), resync.wake),
        "watch": lambda: watch.run(resync.defined, program.install_signal_handlers),
        "server watch": server_watch.run,
        "events": lambda: recorder.run(lambda: writer.waiting > _MANY_STATUSES),
        **{f"status-{n}": writer.run for n in range(_STATUS_WORKERS)},
    }
    health = Health(_Readiness(database, resync, queue).missing, heartbeats)
    program = Program(
        health, tasks, host=settings.host, metrics_port=settings.metrics_port, stop_seconds=_STOP_SECONDS
    )
    return program


class _Readiness:
    """Ready once the database answers and every StockItem has been compared with its row and reconciled."""

    def __init__(self, database: Database, resync: Resync, queue: WorkQueue) -> None:
        self._database, self._resync, self._queue = database, resync, queue
        self._caught_up = False

    async def missing(self) -> list[str]:
        self._caught_up = self._caught_up or (self._resync.compared.is_set() and self._queue.ready == 0)
        lacking = [] if self._caught_up else ["not all StockItems have been compared with their rows yet"]
        return lacking if await self._database.reachable() else [*lacking, "the database does not answer"]
