"""The system on a cluster: created once, used by all tests, deleted after them; see docs/e2e.md."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import pytest
from cluster import Cluster, Installation, ToolError, open_cluster
from cluster.cells import Cells
from cluster.diagnostics import keep
from cluster.kind import NAME
from cluster.tools import ROOT
from production.history import Row, table
from production.system import Production
from shop import Shop, open_shop

pytest.register_assert_rewrite("journey")

FINDINGS = ROOT / ".e2e" / time.strftime("%Y%m%d-%H%M%S")
DEPTHS = ("smoke", "full", "secured", "demo", "chaos", "skaffold", "cells", "production")
CLUSTER = pytest.StashKey[Cluster]()
COSTS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with open_cluster(tmp_path_factory.mktemp("cluster")) as one:
            request.config.stash[CLUSTER] = one
            yield one
    except ToolError as fault:
        pytest.exit(str(fault), returncode=2)


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Installation:
    """Installed with the images that `make images` has built."""
    installation = Installation(cluster, os.environ.get("TAG") or "dev")
    try:
        installation.prepare()
        installation.install()
    except ToolError as fault:
        keep(cluster, FINDINGS)
        pytest.exit(f"{fault}\nwhat the cluster says: {FINDINGS.relative_to(ROOT)}", returncode=1)
    return installation


@pytest.fixture(scope="session")
def production(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Installed as docs/production.md says, on a separate cluster with three workers."""
    folder = tmp_path_factory.mktemp("production")
    try:
        with open_cluster(folder, nodes="four-nodes", name=f"{NAME}-production") as one:
            request.config.stash[CLUSTER] = one
            system = Production(one, os.environ.get("TAG") or "dev")
            try:
                if not system.installed:
                    system.prepare()
                    system.install()
            except ToolError:
                keep(one, FINDINGS)
                raise
            yield system
    except ToolError as fault:
        pytest.exit(f"{fault}\nwhat the cluster says: {FINDINGS.relative_to(ROOT)}", returncode=1)


@pytest.fixture(scope="session")
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """Two cells and a gateway, installed as docs/cells.md says, on a separate cluster."""
    folder = tmp_path_factory.mktemp("cells")
    try:
        with open_cluster(folder, name=f"{NAME}-cells") as one:
            request.config.stash[CLUSTER] = one
            both = Cells(one, os.environ.get("TAG") or "dev", folder)
            try:
                if not both.installed:
                    both.install()
            except ToolError:
                keep(one, FINDINGS)
                raise
            yield both
    except ToolError as fault:
        pytest.exit(f"{fault}\nwhat the cluster says: {FINDINGS.relative_to(ROOT)}", returncode=1)


@pytest.fixture
async def cells_at_rest(cells: Cells) -> AsyncIterator[None]:
    """Asserts at the end that nothing was oversold or lost in any cell, and that nothing is in flight."""
    yield
    for cell in cells.by_name.values():
        await at_rest(cell)


@pytest.fixture
def cost(request: pytest.FixtureRequest) -> Callable[[Row], None]:
    """Records the cost of faults in `.e2e/<time>/production.md`; printed when the tests are over."""

    def cost(row: Row) -> None:
        rows = request.config.stash.setdefault(COSTS, [])
        rows.append(row)
        FINDINGS.mkdir(parents=True, exist_ok=True)
        (FINDINGS / "production.md").write_text(table(rows))

    return cost


@pytest.fixture
async def shop(installed: Installation) -> AsyncIterator[Shop]:
    """A shop. Asserts at the end that nothing was oversold or lost, and that nothing is in flight."""
    async with open_shop(installed) as shop:
        yield shop
    await at_rest(installed)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints measurements while the tests run."""

    def say(sentence: str) -> None:
        with capsys.disabled():
            print(f"\n{sentence}")  # noqa: T201

    return say


async def at_rest(installed: Installation, seconds: float = 60) -> None:
    """`conferir` finds nothing, now and since it started. What a dead pod held is resent after 30 s."""
    end = time.monotonic() + seconds
    while True:
        try:
            await asyncio.to_thread(installed.conferir, "--at-rest")
            break
        except ToolError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(3)
    assert await asyncio.to_thread(installed.violations) == []


def pytest_configure() -> None:
    """Interrupting the tests also deletes the cluster."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs quick and basic tests first."""
    items.sort(key=lambda item: next(n for n, name in enumerate(DEPTHS) if item.get_closest_marker(name)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table of the faults' cost."""
    if rows := config.stash.get(COSTS, []):
        terminalreporter.section(f"what faults cost ({(FINDINGS / 'production.md').relative_to(ROOT)})")
        terminalreporter.write_line(table(rows))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After the failure of a test or its setup, keeps everything that a person would query from the cluster."""
    report = yield
    if report.failed and (one := item.config.stash.get(CLUSTER, None)):
        folder = FINDINGS / f"{item.name}-{report.when}"
        keep(one, folder)
        report.sections.append(("what the cluster says", str(folder.relative_to(ROOT))))
    return report
