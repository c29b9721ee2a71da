"""The panel in a real browser, on the whole system."""

from collections.abc import Iterator

import browser as browsers
import pytest
from browser import PageProblems
from playwright.sync_api import Browser, Page

from local_system import Config, Ports, System

TTL_SECONDS = 12


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two replicas of each service; reservations of some seconds."""
    config = Config(
        state=tmp_path_factory.mktemp("painel"),
        ports=Ports.free(),
        replicas={"pedidos": 2, "estoque": 2},
        settings={"RESERVA_TTL": f"{TTL_SECONDS}s"},
    )
    with System(config) as system:
        yield system


@pytest.fixture(scope="module")  # Playwright keeps an event loop running, which other tests on this worker need
def browser() -> Iterator[Browser]:
    if browsers.executable() is None:
        pytest.skip("no browser: install Chromium to test the panel (sh local/setup/chromium.sh)")
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, system: System) -> Iterator[Page]:
    """The panel in English, light, on a wide screen. At the end, asserts that the page had no problems."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-GB", color_scheme="light", base_url=system.gateway_url
    )
    page = context.new_page()
    page.set_default_timeout(browsers.WAIT_MILLISECONDS)
    problems = PageProblems(page, system.gateway_url)
    yield page
    context.close()
    assert problems.found == []


@pytest.fixture
def supply(system: System):
    """Declares SKUs without StockItems: supply("A", 5)."""

    def declare(sku: str, quantity: int, name: str = "Produto") -> None:
        values = f"('{sku}', '{name}', {quantity}, {quantity})"
        columns = "estoque (sku, nome, alvo, quantidade)"
        system.psql("estoque", f"insert into {columns} values {values} on conflict (sku) do nothing")  # noqa: S608

    return declare
