"""The commands and manifests of the how-tos are valid: for the charts, the StockItem definition and our programs.

Those for the local system run in tests/integration/test_readme.py.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jsonschema_rs
import libyaml
import pytest
from chart_values import CHARTS
from docs_site.parsers import PARSERS
from helm import LOGIN, NAMESPACE, Helm, Manifest

from local_system.kube_binaries import VERSION

ROOT = CHARTS.parent
PAGES = sorted([*ROOT.glob("docs/howto/*.md"), *ROOT.glob("docs/concepts/*.md")])
WITH_MANIFESTS = [*PAGES, ROOT / "docs/security.md"]
RELEASE = "loja"
OWN_VALUES = "shop.yaml"
"""Stands for the shop's values, as the pages say: here its identity provider."""
ONLY_ON_A_CLUSTER = {
    "helm test loja --namespace reserva-estoque": "make e2e runs it",
    "helm rollback loja --namespace reserva-estoque --wait": "make e2e runs it",
    "kubectl --namespace reserva-estoque get scheduledbackups,backups": "needs CloudNativePG's API",
}
"""Commands without anything that could be checked here, and why."""


def blocks(language: str, pages: Iterable[Path] = PAGES) -> Iterator[tuple[Path, str]]:
    for page in pages:
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S):
            yield page, block


def commands() -> Iterator[str]:
    for _, block in blocks("sh"):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        yield from (line for line in lines if line and not line.startswith("#"))


def check_upgrade(command: str, helm: Helm, _: list[Manifest]) -> None:
    """Helm renders the chart with the same values."""
    words = shlex.split(command)
    assert words[2:4] == [RELEASE, "charts/reserva-estoque"], command
    assert words[words.index("--namespace") + 1] == NAMESPACE
    options: list[str] = []
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option == "-f" and value != OWN_VALUES:
            options += ["--values", str(ROOT / value)]
        if option == "-f" and value == OWN_VALUES:
            options += [word for pair in LOGIN for word in ("--set", pair)]
    known = {"--namespace", "--wait", "--timeout", "-f"}
    assert {word for word in words if word.startswith("-")} <= known
    rendered = helm("template", RELEASE, str(CHARTS / "reserva-estoque"), "--kube-version", VERSION, *options)
    assert "kind: Deployment" in rendered


def check_dependencies(command: str, *_: object) -> None:
    assert (ROOT / command.rsplit(maxsplit=1)[-1] / "Chart.yaml").exists()


def check_program(command: str, _: Helm, everything: list[Manifest]) -> None:
    """The Deployment exists, and the program understands its arguments."""
    deployment, arguments = re.fullmatch(
        r"kubectl --namespace reserva-estoque exec deploy/(\w+) -- (.*)", command
    ).groups()  # type: ignore[union-attr]
    assert deployment in {m["metadata"]["name"] for m in everything if m["kind"] == "Deployment"}
    program = max((name for name in PARSERS if arguments.startswith(name)), key=len)
    PARSERS[program]().parse_args(shlex.split(arguments.removeprefix(program)))


def check_patch(command: str, *_: object) -> None:
    patch = json.loads(next(word for word in shlex.split(command) if word.startswith("--patch=")).partition("=")[2])
    assert "stockitem tenis-edicao-limitada" in command
    check_stock_item({"name": "Tênis", "quantity": 1} | patch["spec"])


def check_stock_item(spec: object) -> None:
    (version,) = libyaml.load((ROOT / "k8s/crd/stockitems.yaml").read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    jsonschema_rs.validate(schema | {"additionalProperties": False}, spec)


CHECKS: dict[str, Callable[[str, Helm, list[Manifest]], None]] = {
    "helm upgrade ": check_upgrade,
    "helm dependency build ": check_dependencies,
    "kubectl --namespace reserva-estoque exec deploy/": check_program,
    "kubectl --namespace reserva-estoque patch stockitem ": check_patch,
}


@pytest.mark.parametrize("command", sorted(set(commands()) - ONLY_ON_A_CLUSTER.keys()))
def test_a_command_is_valid(command: str, helm: Helm, everything: list[Manifest]):
    (check,) = [check for beginning, check in CHECKS.items() if command.startswith(beginning)]
    check(command, helm, everything)


def test_each_exception_still_occurs():
    assert ONLY_ON_A_CLUSTER.keys() <= set(commands())


def check_permission(manifest: Manifest) -> None:
    """Checks that a permission has the shape of the services' ones. tests/integration/test_readme.py uses it."""
    ours = libyaml.load_all((ROOT / "k8s/production/rabbitmq.yaml").read_text())
    one = next(other for other in ours if other["kind"] == manifest["kind"])
    assert shape(manifest["spec"]) == shape(one["spec"])
    assert manifest["apiVersion"] == one["apiVersion"]


def shape(value: object) -> object:
    return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.parametrize("text", [block for _, block in blocks("yaml", WITH_MANIFESTS)])
def test_a_manifest_or_a_file_of_values_is_valid(text: str, helm: Helm, tmp_path: Path):
    document = libyaml.load(text)
    match document.get("kind"):
        case "StockItem":
            check_stock_item(document["spec"])
        case "Permission":
            check_permission(document)
        case _:
            (tmp_path / "values.yaml").write_text(text)
            assert "kind: Deployment" in helm.text("reserva-estoque", values=tmp_path / "values.yaml")


def test_the_runbook_template_has_the_headings_of_a_runbook():
    ((_, template),) = blocks("markdown")
    headings = re.findall(r"^#+ (.*)", template, re.M)
    assert headings == re.findall(r"^#+ (.*)", (ROOT / "docs/runbooks/outbox-stalled.md").read_text(), re.M)


def test_the_rehearsal_of_a_sale_is_a_command_of_the_demo():
    text = (ROOT / "docs/howto/flash-sale.md").read_text()
    ((gateway, arguments),) = re.findall(r'make demo GATEWAY=(\S+) ARGS="([^"]+)"', text)
    PARSERS["python -m demo"]().parse_args(["--gateway", gateway, *shlex.split(arguments)])
