"""A system that Prometheus watches and whose traces this process collects."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from collector import Collector, collecting
from prometheus_here import SCRAPE_SECONDS, Prometheus, prometheus_on
from shop import Shop, open_shop

from local_system import Config, Ports, System


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """Everything that takes minutes takes seconds."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "RESEND_AFTER": "5s",
        "RESEND_HORIZON": "8s",
        "MAX_WAITING": "50",
    }
    observe = shutil.which("prometheus") is not None
    config = Config(
        state=tmp_path_factory.mktemp("system"),
        ports=Ports.free(),
        settings=settings,
        observe=observe,
        scrape=f"{SCRAPE_SECONDS}s",
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    async with open_shop(system) as shop:
        yield shop


@pytest.fixture
async def prometheus(system: System) -> AsyncIterator[Prometheus]:
    if not system.config.observe:
        pytest.skip("Prometheus is missing: install the package prometheus")
    async with prometheus_on(system.layout.ports.prometheus) as prometheus:
        yield prometheus
