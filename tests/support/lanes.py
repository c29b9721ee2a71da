"""Distributes the tests of `make test` over workers of pytest-xdist: which of them share a worker, which start first,
and which have a worker to themselves.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

import psutil
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from local_system.layout import MARKER
from local_system.ports import FREE, FREE_RANGE
from local_system.processes import end_leftovers

FIRST = (
    "tests/simulation/test_simulation.py",
    "operator/tests/integration/",
    "tests/integration/",
    "demo/tests/integration/",
    "bench/tests/integration/test_bench.py",
    "painel/tests/browser/",
    "tests/simulation/test_order_life.py",
    "tests/charts/",
    "tests/integration/test_restore.py",
    "bench/tests/integration/test_abuse.py",
    "tests/integration/test_authorization.py",
    "tests/integration/test_expiry.py",
    "tests/integration/test_restored_behind.py",
    "tests/integration/test_tls.py",
    "tests/integration/test_schema.py",
    "tests/integration/test_unheard_lapses.py",
    "local/tests/integration/test_first_order.py",
    "contracts/tests/unit/test_events.py",
    "conferir/tests/integration/test_giving_way.py",
    "bench/tests/unit/test_model.py",
    "tests/unit/test_docs_site.py",
)
"""The slowest units, in the order in which they start. Tests of a folder share a system that is slow to start, and
stay together; so do those of a file, unless its folder is listed and the file itself is not."""

WAITING = (
    "client/tests/integration/",
    "tests/integration/telemetry/",
    "local/tests/integration/test_system.py",
    "lib/tests/integration/test_bus_outage.py",
    "conferir/tests/integration/test_rules.py",
    "tests/integration/test_outages.py",
    "tests/integration/test_frozen_replicas.py",
    "lib/tests/integration/test_pool.py",
    "local/tests/integration/test_gateway.py",
    "local/tests/integration/test_gateway_limits.py",
    "tests/integration/test_broker_outage.py",
    "tests/integration/test_connections.py",
    "lib/tests/integration/test_migrate.py",
    "services/estoque/tests/integration/test_relay.py",
)
"""Units that mostly wait: for time limits, for parts that start, for a broker that is down. One worker begins with
these, alongside as many others as keep the processors busy."""


class Lanes(LoadScopeScheduling):
    """Gives workers one unit after another: a folder of FIRST or WAITING, or a file."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Handles the end of a worker. Returns the test in which it died, if any: others get its remaining tests."""
        units = self.assigned_work.pop(node)
        left = [(unit, nodeid) for unit, tests in units.items() for nodeid, done in tests.items() if not done]
        died_in = None
        if left:
            unit, died_in = left[0]
            units[unit][died_in] = True
            self.workqueue.update({unit: tests for unit, tests in units.items() if not all(tests.values())})
        for other in self.nodes:
            self._reschedule(other)
        return died_in

    def _split_scope(self, nodeid: str) -> str:
        """The unit of a test."""
        path = nodeid.partition("::")[0]
        named = [unit for unit in (*FIRST, *WAITING) if path.startswith(unit)]
        return max(named, key=len, default=path)

    def schedule(self) -> None:
        """Starts the distribution, or continues it after a worker was replaced."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = list(next(iter(self.registered_collections.values())))
            units: dict[str, dict[str, bool]] = {}
            for nodeid in self.collection:
                units.setdefault(self._split_scope(nodeid), {})[nodeid] = False
            order = {unit: place for place, unit in enumerate((*FIRST, *WAITING))}
            for unit in sorted(units, key=lambda unit: order.get(unit, len(order))):
                self.workqueue[unit] = units[unit]
        for node in self.nodes:
            self._reschedule(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Gives a worker more tests when it has one left, because it starts a test only when it has the next."""
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            if self.workqueue:
                self._choose(waiting=node is self.nodes[-1])
                self._assign_work_unit(node)
            else:
                node.shutdown()

    def _choose(self, *, waiting: bool) -> None:
        """Moves the next unit that mostly waits, or that does not, to the front of the queue, if there is one."""
        for unit in self.workqueue:
            if (unit in WAITING) is waiting:
                self.workqueue.move_to_end(unit, last=False)
                return


def take_ports(environ: MutableMapping[str, str] = os.environ) -> None:
    """Gives the systems of a worker, and of the programs that it starts, ports that no other worker takes."""
    name, count = environ.get("PYTEST_XDIST_WORKER"), environ.get("PYTEST_XDIST_WORKER_COUNT")
    if name and count:
        number, size = int(name.removeprefix("gw")) % int(count), len(FREE) // int(count)
        ports = FREE[number * size : (number + 1) * size]
        environ[FREE_RANGE] = f"{ports[0]}-{ports[-1]}"


def end_systems(folder: Path) -> list[str]:
    """Ends systems below a folder that killed workers left behind; returns the names of their processes."""
    states = {_state(process) for process in psutil.process_iter()}
    return [name for state in states if folder in state.parents for name in end_leftovers(state)]


def _state(process: psutil.Process) -> Path:
    try:
        return Path(process.environ().get(MARKER, ""))
    except (psutil.Error, OSError):
        return Path()
