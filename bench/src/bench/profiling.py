"""Profiles: CPU by process under saturation, SQL statements, flame graphs of both services."""

import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bench import statements
from bench.plan import Measurement, Plan, Scenario
from bench.shop import Shop
from bench.tables import to_markdown

_PROGRAMS = ("pedidos-1", "estoque-1")
_LONGER_THAN_ANY_RUN = 600


def profile(shop: Shop, scenario: Scenario, plan: Plan, data: Path, *, flames: bool) -> str:
    """The tables of one measurement; with `flames` a second one runs under py-spy, which has overhead."""
    counted: list[statements.Statement] = []
    measurement = _observed(shop, scenario, plan, lambda: statements.counting(shop, counted))
    decided = measurement["per_second"] * measurement["measured_seconds"]
    tables = [
        f"{scenario.name}: {measurement['per_second']:,.0f} orders/s",
        cpu_table(measurement),
        statements.statements_table(counted, decided),
    ]
    shop.conferir()
    if flames:
        tables.append(_draw(shop, scenario, plan, data))
    return "\n\n".join(tables)


def _draw(shop: Shop, scenario: Scenario, plan: Plan, data: Path) -> str:
    graph = data / scenario.name
    _observed(shop, scenario, plan, lambda: _under_py_spy(shop, graph))
    return "\n".join(f"flame graph: {file}" for file in sorted(data.glob(f"{graph.name}-*.svg")))


def _observed(
    shop: Shop, scenario: Scenario, plan: Plan, observer: Callable[[], AbstractContextManager[None]]
) -> Measurement:
    """Measures the scenario with an observer around its window."""
    shop.observer = observer
    try:
        return scenario.measure(shop, plan)
    finally:
        shop.observer = nullcontext


def cpu_table(measurement: Mapping[str, Any]) -> str:
    """One row per process: share of a core, milliseconds of CPU per order, MiB at the end."""
    seconds = measurement["measured_seconds"]
    decided = measurement["per_second"] * seconds
    spent: Mapping[str, float] = {**measurement["cpu"], "all": sum(measurement["cpu"].values())}
    rows = [
        (name, f"{used / seconds:.1%}", f"{used * 1000 / decided:.3f}", _mib(measurement["mib"]["after"].get(name)))
        for name, used in spent.items()
    ]
    return to_markdown([("process", "of a core", "ms per order", "MiB"), *rows])


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


@contextmanager
def _under_py_spy(shop: Shop, graph: Path) -> Iterator[None]:
    """Records both programs while the block runs."""
    py_spy = Path(sysconfig.get_path("scripts")) / "py-spy"
    command = [str(py_spy), "record", "--rate", "100", "--duration", str(_LONGER_THAN_ANY_RUN), "--nonblocking"]
    pids = {name: state.pid for name, state in shop.system.states().items() if name in _PROGRAMS and state.pid}
    profilers = [
        subprocess.Popen(
            [*command, "--output", f"{graph}-{name}.svg", "--pid", str(pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, pid in pids.items()
    ]
    try:
        yield
    finally:
        for profiler in profilers:
            profiler.send_signal(signal.SIGINT)  # makes it write the graph
        for profiler in profilers:
            profiler.wait(60)
