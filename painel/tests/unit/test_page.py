"""The page as served: complete, with texts in both languages, and with headers that block all other content."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import ValidationError

from painel import page
from painel.app import create_app
from painel.routes import Sources, administrators
from painel.settings import PainelSettings
from painel.system_state import ScrapeResult, Snapshot
from painel.watch import Watch
from reservaestoque.streams import Streams

FILES = page.load()
HTML = FILES["index.html"].body.decode()
MODULES = {name: file.body.decode() for name, file in FILES.items() if name.endswith(".js")}


class Looks:
    async def scrape(self) -> Snapshot:
        return Snapshot(0.0, [ScrapeResult("pedidos", "pedidos-1", ready=True)])


def app(identity: str) -> Litestar:
    watch = Watch(Looks(), 0.01)
    made = create_app(Sources(watch, Streams(5, 5), FILES, administrators(identity)))  # type: ignore[arg-type]
    made.on_startup.append(watch._scrape)
    return made


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(app("none")) as client:
        yield client


@pytest.fixture
def guarded() -> Iterator[TestClient[Litestar]]:
    with TestClient(app("gateway")) as client:
        yield client


def texts(language: str) -> dict[str, str]:
    block = re.split(r"^  (en|pt): \{$", MODULES["texts.js"], flags=re.M)
    found = dict(zip(block[1::2], block[2::2], strict=True))[language]
    return dict(re.findall(r"^    '([^']+)': '([^']*)',$", found, re.M))


def test_both_languages_have_the_same_texts_with_the_same_placeholders():
    english, portuguese = texts("en"), texts("pt")
    assert english.keys() == portuguese.keys()
    assert len(english) == MODULES["texts.js"].count("': '") / 2, "the test reads every line"
    gaps = {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in english.items()}
    assert gaps == {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in portuguese.items()}


def test_every_text_that_is_used_exists():
    used = set(re.findall(r'data-t(?:-\w+)?="([^"]+)"', HTML))
    code = "\n".join(text for name, text in MODULES.items() if name != "texts.js")
    used |= set(re.findall(r"\bt\(\s*'([\w.-]+)'", code))
    assert used <= texts("en").keys()


def test_every_text_is_used():
    code = HTML + "\n".join(text for name, text in MODULES.items() if name != "texts.js")
    made = ("status.", "explain.", "action.", "missing.", "connection.", "theme.", "problem.", "stock.")
    assert not [key for key in texts("en") if key not in code and not key.startswith(made)]


def test_the_page_is_in_english_until_its_script_runs():
    shown = re.findall(r'data-t="([^"]+)"[^>]*>([^<]+)<', HTML)
    assert shown
    assert [(key, text) for key, text in shown if texts("en")[key] != text] == []


def test_modules_import_only_what_is_served():
    for name, text in MODULES.items():
        for path in re.findall(r"from '([^']+)'", text):
            assert path.startswith("/painel/"), name
            assert path.removeprefix("/painel/") in FILES, name
    for path in re.findall(r'(?:src|href)="(/[^"]*)"', HTML):
        assert path.removeprefix("/painel/") in FILES


def test_nothing_comes_from_elsewhere():
    for name, file in FILES.items():
        text = file.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(^|\s)//[^\n]*", "", text).replace("/* ", "") or name.endswith(".css"), name
        assert "http:" not in text, name
        assert "https:" not in text, name


def test_the_page_has_no_inline_script_or_style(client: TestClient[Litestar]):
    policy = client.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "<style" not in HTML
    assert not re.search(r"<script(?![^>]*\bsrc=)", HTML)
    assert not re.search(r'\s(style|on\w+)="', HTML)
    code = "".join(MODULES.values())
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", code)


def test_files_are_served_with_their_types_and_unchanged_ones_are_not_sent_again(client: TestClient[Litestar]):
    for path, kind in [
        ("/", "text/html"),
        ("/painel/painel.css", "text/css"),
        ("/painel/main.js", "text/javascript"),
    ]:
        first = client.get(path)
        assert first.status_code == 200
        assert first.headers["content-type"] == f"{kind}; charset=utf-8"
        assert first.headers["x-content-type-options"] == "nosniff"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/painel/app.py").status_code == 404
    assert client.get("/painel/..%2fapp.py").status_code == 404


def test_the_state_of_the_system(client: TestClient[Litestar]):
    told = client.get("/painel/sistema").json()
    assert told["partes"] == [{"nome": "pedidos", "replicas": [{"nome": "pedidos-1", "ativa": True}]}]
    assert told["reservasPorVencer"] is None
    assert client.get("/painel/sistema").headers["cache-control"] == "no-store"


def test_with_tokens_only_administrators_see_the_system(guarded: TestClient[Litestar]):
    assert guarded.get("/").status_code == 200
    assert guarded.get("/painel/main.js").status_code == 200
    for path in ("/painel/sistema", "/painel/sistema/eventos"):
        nobody = guarded.get(path)
        assert (nobody.status_code, nobody.json()["type"].split("/")[-1]) == (401, "nao-autenticado")
        ana = {"x-reserva-subject": "ana", "x-reserva-scopes": "estoque:ler pedidos:administrar"}
        assert guarded.get(path, headers=ana).json()["type"].split("/")[-1] == "sem-permissao"
    admin = {"x-reserva-subject": "rui", "x-reserva-scopes": "estoque:ler pedidos:admin"}
    assert guarded.get("/painel/sistema", headers=admin).status_code == 200


def test_addresses_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PEDIDOS_URLS", "http://a:1, http://b:2/,")
    assert PainelSettings().pedidos_urls == ("http://a:1", "http://b:2")
    monkeypatch.setenv("PEDIDOS_URLS", "postgres://a:1")
    with pytest.raises(ValidationError):
        PainelSettings()
