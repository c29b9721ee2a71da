"""The system on a cluster: made once, used by all tests, gone after them; see docs/e2e.md."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import pytest
from cluster import Cluster, FerramentaError, Instalacao, abrir
from cluster.diagnostico import guardar
from cluster.ferramentas import ROOT
from cluster.kind import NOME
from loja import Loja, abrir_loja
from production.history import Row, table
from production.system import Production

pytest.register_assert_rewrite("jornada")

ACHADOS = ROOT / ".e2e" / time.strftime("%Y%m%d-%H%M%S")
PROFUNDIDADES = ("smoke", "full", "chaos", "skaffold", "production")
CLUSTER = pytest.StashKey[Cluster]()
COSTS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with abrir(tmp_path_factory.mktemp("cluster")) as um:
            request.config.stash[CLUSTER] = um
            yield um
    except FerramentaError as falha:
        pytest.exit(str(falha), returncode=2)


@pytest.fixture(scope="session")
def instalada(cluster: Cluster) -> Instalacao:
    """Installed with the images that `make images` has built."""
    instalacao = Instalacao(cluster, os.environ.get("TAG") or "dev")
    try:
        instalacao.preparar()
        instalacao.instalar()
    except FerramentaError as falha:
        guardar(cluster, ACHADOS)
        pytest.exit(f"{falha}\nwhat the cluster says: {ACHADOS.relative_to(ROOT)}", returncode=1)
    return instalacao


@pytest.fixture(scope="session")
def production(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Installed as docs/production.md says, on a cluster of its own with three workers."""
    folder = tmp_path_factory.mktemp("production")
    try:
        with abrir(folder, nodes="quatro-nos", name=f"{NOME}-producao") as one:
            request.config.stash[CLUSTER] = one
            system = Production(one, os.environ.get("TAG") or "dev")
            try:
                if not system.installed:
                    system.preparar()
                    system.instalar()
            except FerramentaError:
                guardar(one, ACHADOS)
                raise
            yield system
    except FerramentaError as fault:
        pytest.exit(f"{fault}\nwhat the cluster says: {ACHADOS.relative_to(ROOT)}", returncode=1)


@pytest.fixture
def cost(request: pytest.FixtureRequest) -> Callable[[Row], None]:
    """Keeps what a fault has cost, in `.e2e/<time>/production.md`; all of it is told when the tests are over."""

    def cost(row: Row) -> None:
        rows = request.config.stash.setdefault(COSTS, [])
        rows.append(row)
        ACHADOS.mkdir(parents=True, exist_ok=True)
        (ACHADOS / "production.md").write_text(table(rows))

    return cost


@pytest.fixture
async def loja(instalada: Instalacao) -> AsyncIterator[Loja]:
    """A shop; in the end nothing was oversold or lost, and nothing is under way any more."""
    async with abrir_loja(instalada) as loja:
        yield loja
    await em_repouso(instalada)


@pytest.fixture
def dizer(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints measurements while the tests run."""

    def dizer(frase: str) -> None:
        with capsys.disabled():
            print(f"\n{frase}")  # noqa: T201

    return dizer


async def em_repouso(instalada: Instalacao, segundos: float = 60) -> None:
    """`conferir` finds nothing, now and since it runs. What a dead pod held is sent again after 30 s."""
    fim = time.monotonic() + segundos
    while True:
        try:
            await asyncio.to_thread(instalada.conferir, "--at-rest")
            break
        except FerramentaError:
            if time.monotonic() > fim:
                raise
            await asyncio.sleep(3)
    assert await asyncio.to_thread(instalada.violacoes) == []


def pytest_configure() -> None:
    """Interrupting the tests also deletes the cluster."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick and basic goes first."""
    items.sort(key=lambda item: next(n for n, nome in enumerate(PROFUNDIDADES) if item.get_closest_marker(nome)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of what faults have cost."""
    if rows := config.stash.get(COSTS, []):
        terminalreporter.section(f"what faults cost ({(ACHADOS / 'production.md').relative_to(ROOT)})")
        terminalreporter.write_line(table(rows))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test or what it needs has failed: all that a person would ask the cluster for."""
    report = yield
    if report.failed and (um := item.config.stash.get(CLUSTER, None)):
        pasta = ACHADOS / f"{item.name}-{report.when}"
        guardar(um, pasta)
        report.sections.append(("what the cluster says", str(pasta.relative_to(ROOT))))
    return report
