"""The documents keep up with the code and with one another."""

import re
import shlex
from enum import StrEnum
from pathlib import Path

import pytest
from docs_site.parsers import PARSERS

from conferir.settings import ConferirSettings
from conferir.violation import Rule
from estoque.settings import EstoqueSettings
from operador.settings import OperadorSettings
from painel.settings import PainelSettings
from pedidos.command import CommandType
from pedidos.settings import PedidosSettings
from reservaestoque.dlq import cli as dlq
from reservaestoque.events import Motivo, Status
from reservaestoque.settings import ProgramSettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("local/*.md")])
FOLDERS = ("lib", "services", "operator", "conferir", "painel", "gateway")
SOURCES = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")]


def text(path: str) -> str:
    return (ROOT / path).read_text()


def code(document: str) -> list[str]:
    """The commands of a document's shell blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document, re.M | re.S)
    return [re.sub(r"\s+#.*|^#.*\n", "", line) for block in blocks for line in block.splitlines(keepends=True)]


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))
def test_links_lead_somewhere(doc: Path):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", doc.read_text()):
        if "://" not in link:
            assert (doc.parent / link).exists(), link


def test_the_two_readmes_are_in_step():
    english, portuguese = text("README.md"), text("README.pt-BR.md")
    headings = [re.findall(r"^(#+) ", readme, re.M) for readme in (english, portuguese)]
    assert headings[0] == headings[1]
    assert code(english) == code(portuguese)
    links = [re.findall(r"\]\(((?!README)[^)]+)\)", readme) for readme in (english, portuguese)]
    assert links[0] == links[1]
    for command in ("make up", "make test"):
        assert command in english.split("##")[0]


@pytest.mark.parametrize(
    "settings", [EstoqueSettings, PedidosSettings, OperadorSettings, ConferirSettings, PainelSettings]
)
def test_every_setting_is_documented(settings: type[ProgramSettings]):
    table = text("docs/settings.md")
    for name in settings.model_fields:
        assert f"`{name.upper()}`" in table, name


def test_every_problem_is_described_and_every_description_is_a_problem():
    slugs = set(re.findall(r'Problem\(\s*"([a-z-]+)"', text("lib/src/reservaestoque/http/problems.py")))
    slugs |= set(re.findall(r"reservaestoque\.dev/problemas/([a-z-]+)", text("gateway/envoy.yaml")))
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text("docs/problems.md"), re.M)) == slugs


@pytest.mark.parametrize("words", [Status, Motivo, CommandType], ids=lambda words: words.__name__)
def test_every_word_that_customers_and_shops_meet_is_in_the_glossary(words: type[StrEnum]):
    for word in words:
        assert f"`{word.value}`" in text("docs/glossary.md"), word


def test_metrics_that_are_described_exist():
    source = "\n".join(path.read_text() for path in SOURCES)
    named = re.findall(r"`([a-z]+_[a-z_]+)`", text("docs/operations.md").split("## Metrics")[1].split("##")[0])
    assert len(named) > 10
    for name in named:
        assert f'"{name}"' in source, name


def test_every_rule_of_conferir_is_described():
    section = text("docs/operations.md").split("## conferir")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", section, re.M) == [rule.value for rule in Rule]


def test_statements_that_are_described_exist():
    for name in re.findall(r"`([a-z_]+\.sql)`", text("docs/architecture.md")):
        assert list(ROOT.glob(f"services/*/src/*/sql/{name}")), name


@pytest.mark.parametrize("words", re.findall(r'make dlq(?: ARGS="([^"]*)")?', "".join(map(Path.read_text, DOCS))))
def test_dead_letter_commands_are_understood(words: str):
    assert dlq.parser().parse_args(shlex.split(words)).verb


SCRIPT = "\n".join("".join(code(document.read_text())) for document in DOCS)


def test_make_commands_name_targets():
    targets = set(re.findall(r"^([a-z0-9]+):", text("Makefile"), re.M))
    written = "\n".join(document.read_text() for document in DOCS)
    named = set(re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make(?: -s)? ([a-z0-9]+)", written, re.M))
    assert {"up", "docs", "conferir", "e2e"} <= named <= targets


@pytest.mark.parametrize(
    "command",
    sorted(set(re.findall(r"^(?:\.venv/bin/)?(python -m (?:conferir|bench|demo|local_system).*)", SCRIPT, re.M))),
)
def test_commands_of_our_programs_are_understood(command: str):
    program = next(name for name in PARSERS if command.startswith(name))
    words = shlex.split(command.removeprefix(program).partition(" > ")[0])
    assert PARSERS[program]().parse_args(words)


def test_reasons_of_dead_letters_that_are_described_exist():
    source = "\n".join(path.read_text() for path in SOURCES)
    table = text("docs/operations.md").split("| reason |")[1].split("\n\n")[0]
    reasons = re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert len(reasons) > 5
    for reason in reasons:
        assert reason.removesuffix("…").removesuffix(" delivery_limit ").strip() in source, reason


def test_every_target_of_the_makefile_is_explained():
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    assert targets - set(re.findall(r"^([a-z]+):.*## ", text("Makefile"), re.M)) == {"rabbitmq", "wrk"}


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))
def test_mermaid_blocks_begin_with_a_known_diagram_type(doc: Path):
    for first in re.findall(r"^```mermaid\n(\w+)", doc.read_text(), re.M):
        assert first in {"flowchart", "sequenceDiagram", "stateDiagram"}, first


def test_every_alert_has_a_runbook_that_says_what_to_do():
    files = ("charts/reserva-estoque/files/rules.yaml", "k8s/production/alerts.yaml")
    texts = [(ROOT / file).read_text() for file in files]
    alerts = {
        name: address.rpartition("/")[2]
        for text in texts
        for name, address in re.findall(r"alert: (\w+)(?:(?!alert:)[\s\S])*?runbook_url: (\S+)", text)
    }
    assert set(alerts) == {name for text in texts for name in re.findall(r"alert: (\w+)", text)}
    folder = ROOT / "docs/runbooks"
    assert {page.stem for page in folder.glob("*.md")} - {"README"} == set(alerts.values())
    index = (folder / "README.md").read_text()
    for name, page in alerts.items():
        said = (folder / f"{page}.md").read_text()
        assert re.findall(r"^#+ (.*)", said, re.M) == [name, "What it means", "Look", "Do", "Resolved when"]
        assert f"[{name}]({page}.md)" in index
