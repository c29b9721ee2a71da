"""A real kube-apiserver, etcd, PostgreSQL and operator for all tests here; each test uses its own names."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from operator_world import RESYNC_INTERVAL, OperatorProcess, World, wait_until
from stock_items import StockItems

from local_system import Config, Ports, System
from local_system.kubernetes import operator_kubeconfig


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = Config(
        state=tmp_path_factory.mktemp("operator"),
        ports=Ports.free(),
        settings={"RESYNC_INTERVAL": RESYNC_INTERVAL},
        parts={"operator"},
    )
    with System(config) as system:
        system.kubectl("create", "namespace", "other-shop")
        yield system


@pytest.fixture
def world(system: System) -> Iterator[World]:
    with StockItems(system) as stock_items:
        world = World(system, stock_items)
        yield world
        for creating in world.creating:
            creating.join()
        for ns, name in world.created:
            with suppress(httpx.HTTPStatusError):  # a test has deleted it
                world.delete(name, ns=ns)


@pytest.fixture
def start_operator(system: System, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Starts operators. `prelude` is Python that runs before the program, `kubeconfig` is its identity."""
    started: list[OperatorProcess] = []

    def start(prelude: str = "", kubeconfig: Path | None = None, **environment: str) -> OperatorProcess:
        port = Ports.free().operator
        log = tmp_path / f"operator-{len(started)}.log"
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": system.database_url("estoque", role="operador"),
            "KUBECONFIG": str(kubeconfig or operator_kubeconfig(system.layout)),
            "METRICS_PORT": str(port),
            "RESYNC_INTERVAL": RESYNC_INTERVAL,
            **environment,
        }
        script = f"{prelude}\nfrom operador.__main__ import main\nmain()\n"
        with log.open("wb") as stderr:
            process = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=stderr)
        started.append(OperatorProcess(process, log, f"http://127.0.0.1:{port}"))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


@pytest.fixture
def name() -> str:
    """A name, and so a SKU, that no other test uses."""
    return f"item-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
