"""`make docs` builds a complete site that needs no network, and draws its diagrams."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import PageProblems, chromium, executable
from docs_site import chart_values, cli, events, rest, stock_item
from docs_site.generated import PAGES
from docs_site.staging import ROOT, contents, documents, on_the_site, place

DRAWN = "[...document.querySelectorAll('pre.mermaid')].every(one => one.querySelector('svg'))"
STYLE = "document.querySelector('pre.mermaid style').textContent"
MERMAID = ROOT / ".cache/mermaid/mermaid.min.js"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a separate process, since Sphinx changes much of its own."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    script = "import pathlib, sys; from docs_site.build import build; sys.exit(build(pathlib.Path(sys.argv[1])))"
    path = {"PYTHONPATH": ":".join([str(ROOT / "tests/support"), *sys.path]), "HOME": os.environ["HOME"]}
    done = subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, check=False, env=path
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return folder


def test_every_document_and_every_generated_page_is_there(site: Path):
    pages = [*map(place, documents()), *PAGES]
    assert len(pages) > 70
    assert [page for page in pages if not (site / page).with_suffix(".html").exists()] == []


class Loaded(HTMLParser):
    """What a page loads by itself; links that a reader may follow do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"script", "img", "iframe"}:
            self.addresses.add(values.get("src") or "")
        if tag == "link" and values.get("rel") in {"stylesheet", "preload", "icon"}:
            self.addresses.add(values.get("href") or "")


def test_nothing_is_loaded_from_the_network(site: Path):
    loaded = Loaded()
    for page in site.rglob("*.html"):
        loaded.feed(page.read_text())
    assert any("searchtools.js" in address for address in loaded.addresses)
    assert [address for address in loaded.addresses if "//" in address] == []


@pytest.mark.skipif(not MERMAID.exists(), reason="`make docs` fetches what draws diagrams")
@pytest.mark.skipif(executable() is None, reason="Chromium is not installed")
def test_diagrams_are_drawn_in_both_themes_and_search_works(site: Path):
    drawn = [page for page in site.rglob("*.html") if '<pre class="mermaid">' in page.read_text()]
    assert len(drawn) > 3
    with chromium() as browser:
        page = browser.new_page(color_scheme="light")
        problems = PageProblems(page, "file://")
        for file in drawn:
            page.goto(file.as_uri())
            page.wait_for_function(DRAWN)
            assert "Syntax error" not in page.inner_text("article"), file.name
        page.evaluate(f"window.before = {STYLE}")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(
            f"{DRAWN} && {STYLE}.replace(/mermaid-\\d+/g, '') !== before.replace(/mermaid-\\d+/g, '')"
        )
        assert problems.found == []
        page.goto(f"{(site / 'search.html').as_uri()}?q=lapsed")
        page.wait_for_selector("#search-results li a")


SITE = {"docs/a.md": "a.md", "docs/x/b.md": "x/b.md", "contracts/asyncapi.yaml": "reference/events.md"}


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("docs/a.md", "[b](x/b.md#part)", "[b](x/b.md#part)"),
        ("docs/x/b.md", "[a](../a.md)", "[a](../a.md)"),
        ("docs/x/b.md", "[events](../../contracts/asyncapi.yaml)", "[events](../reference/events.md)"),
        ("docs/a.md", "the [code](../lib)", "the code"),
        (
            "docs/a.md",
            "[far](https://example/lib) ![near](images/p.png)",
            "[far](https://example/lib) ![near](images/p.png)",
        ),
        ("docs/a.md", "`[code](../lib)`", "`[code](../lib)`"),
        ("docs/a.md", "```sh\n[ -f a ](../lib)\n```", "```sh\n[ -f a ](../lib)\n```"),
    ],
)
def test_links_lead_to_the_pages_of_the_site(document: str, written: str, shown: str):
    assert on_the_site(document, written, SITE) == shown


def test_links_into_the_code_lead_to_the_repository_if_it_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCS_REPOSITORY", "https://git.example/main")
    assert on_the_site("docs/a.md", "[code](../lib)", SITE) == "[code](https://git.example/main/lib)"


def test_the_front_page_has_a_table_of_contents_for_each_section():
    text = "# Site\n[b](x/b.md)\n## One\n[a](a.md) [b](x/b.md)\n## Two\n[c](x/c.md), [out](https://example/d.md)\n"
    tables = re.findall(r"```\{toctree\}\n:hidden:\n:caption: (\w+)\n\n([^`]*)```", contents(text, front=True))
    assert tables == [("One", "a <a>\nb <x/b>\n"), ("Two", "c <x/c>\n")]


MUST_SAY: Mapping[str, tuple[str, ...]] = {
    rest.page(): ("### `POST /pedidos/{pedido_id}/fechar`", "### Pedido\n", "`Idempotency-Key`", "[Status](#status)"),
    events.page(): ("### AtualizarStatus", "`data.itens[].sku`", "`estoque.pedidos.dlq`"),
    stock_item.page(): ("| `quantity` | integer (int64) | yes |", "the SKU of a StockItem never changes", "On-Hand"),
    chart_values.page(): ("## reserva-estoque", "## painel", "`autoscaling.maxReplicas`", "  maxReplicas: 10"),
    cli.page(): ("### reserva pedir", "--esperar", "## python -m reservaestoque.dlq", "--at-rest"),
}


@pytest.mark.parametrize(("page", "words"), MUST_SAY.items(), ids=[page.split("\n")[0] for page in MUST_SAY])
def test_a_generated_page_contains_these_texts(page: str, words: tuple[str, ...]):
    for word in words:
        assert word in page, word


def test_generated_pages_do_not_change_from_one_build_to_the_next():
    assert {name: page.text() for name, page in PAGES.items()} == {name: page.text() for name, page in PAGES.items()}
