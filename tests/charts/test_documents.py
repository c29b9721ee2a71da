"""The documents' statements about charts are true."""

import re
import subprocess
from collections.abc import Iterator

import libyaml
import pytest
from chart_values import CHARTS

DOCS = CHARTS.parent / "docs"
PARTS = ("pedidos", "estoque", "operator", "gateway", "conferir", "painel")
SERVICES = ("pedidos", "estoque")


def described() -> Iterator[str]:
    """The values in the table, each in full: `a.b`, `.c` means a.b and a.c."""
    table = (DOCS / "kubernetes.md").read_text().split("| value |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        stem = ""
        for name in re.findall(r"`([^`]+)`", row.split("|")[1]):
            stem = stem if name.startswith(".") else name.rpartition(".")[0]
            yield stem + name if name.startswith(".") else name


def places(name: str) -> list[str]:
    """`<part>` and `<service>` stand for each part that has its own values."""
    head, _, rest = name.partition(".")
    heads = {"<part>": PARTS, "<service>": SERVICES}.get(head, (head,))
    return [f"{head}.{rest}" for head in heads]


@pytest.mark.parametrize("name", sorted(set(described())))
def test_values_that_are_described_exist(name: str):
    found = [place for place in places(name) if exists(*place.split("."))]
    assert found == places(name) or (name == "<part>.settings" and len(found) == len(PARTS) - 1)


def exists(chart: str, *path: str) -> bool:
    own = CHARTS / chart / "values.yaml"
    values = libyaml.load((CHARTS / "reserva-estoque" / "values.yaml").read_text())
    found = {**values.get(chart, {}), **(libyaml.load(own.read_text()) if own.exists() else {})}
    for step in path:
        if not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


@pytest.mark.parametrize("document", ["kubernetes.md", "production.md", "cells.md"])
def test_commands_have_valid_shell_syntax(document: str):
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (DOCS / document).read_text(), re.M | re.S)
    assert len(blocks) > 3
    for block in blocks:
        done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
