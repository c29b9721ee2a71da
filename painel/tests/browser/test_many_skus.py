"""Ten thousand SKUs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page, expect

from local_system import System

pytestmark = pytest.mark.integration

ROWS_AT_MOST = 60
FRAME_SECONDS = 0.05
"""CPU time of the page's main thread between two steps. Unlike elapsed time, it does not depend on other programs."""
STEPS = 40
TRIES = 3
"""A frame slowed by our code is slow every time; one that collects garbage is not."""

SCROLL = """async step => {
    const viewport = document.getElementById('stock-viewport')
    viewport.scrollTop = (viewport.scrollHeight - viewport.clientHeight) * step
    await new Promise(requestAnimationFrame)
    await new Promise(requestAnimationFrame)
    const rows = document.querySelectorAll('#stock-rows > *')
    return { rows: rows.length, last: [...rows].at(-1).dataset.sku }
}"""


def test_ten_thousand_skus_scroll_and_change(page: Page, system: System):
    system.psql(
        "estoque",
        "insert into estoque (sku, nome, alvo, quantidade) "
        "select 'SKU-' || lpad(n::text, 5, '0'), 'Produto ' || n, 1000, 1000 from generate_series(1, 10000) n",
    )
    page.goto("/")
    expect(page.locator("#stock-facts")).to_contain_text("10,0")
    page.locator("#stock-sort").select_option("sku")
    expect(page.locator("#stock-table")).to_have_attribute("aria-rowcount", str(count(page) + 1))
    assert slowest_frame(page) <= FRAME_SECONDS
    assert page.evaluate(SCROLL, 1)["last"] >= "SKU-10000"
    page.locator("#stock-search").fill("produto 777")
    expect(page.locator("#stock-table")).to_have_attribute("aria-rowcount", "20")
    page.locator("#stock-search").fill("")
    page.locator("#stock-sort").select_option("moves")
    # Every SKU changes while the list is visible.
    system.psql("estoque", "update estoque set nome = nome || '.' where sku like 'SKU-%'")
    assert slowest_frame(page) <= FRAME_SECONDS


def slowest_frame(page: Page) -> float:
    """Scrolls the whole list, more than once if needed; returns the CPU seconds of its slowest frame."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    slowest = [max(frames(page, session))]
    while slowest[-1] > FRAME_SECONDS and len(slowest) < TRIES:
        slowest.append(max(frames(page, session)))
    return slowest[-1]


def frames(page: Page, session: CDPSession) -> Iterator[float]:
    before = cpu(session)
    for step in range(STEPS):
        assert page.evaluate(SCROLL, step / (STEPS - 1))["rows"] <= ROWS_AT_MOST
        now = cpu(session)
        yield now - before
        before = now


def cpu(session: CDPSession) -> float:
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def count(page: Page) -> int:
    text = page.locator("#stock-facts").inner_text()
    return int(text.split(" ")[0].replace(",", ""))
