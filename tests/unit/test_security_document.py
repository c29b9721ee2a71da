"""SECURITY.md names existing tests for the defence against each attack."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "SECURITY.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.partition("## Threat model")[2].partition("###")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| who |")
]
NAMED = re.findall(r"`([\w./-]+\.py)::(\w+)`", DOCUMENT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:60])
def test_every_attack_names_its_attacker_what_stops_it_and_a_test(row: list[str]):
    assert len(row) == 4
    assert all(row)
    assert re.search(r"\.py::test_", row[3])


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)), ids="::".join)
def test_every_test_that_is_named_exists(file: str, name: str):
    tree = ast.parse((ROOT / file).read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in functions


def test_there_is_a_row_for_every_program_that_may_be_compromised():
    for program in ("pedidos", "estoque", "operator", "conferir"):
        assert any(re.search(rf"\bcompromised {program}", row[0]) for row in ROWS)
    assert len(ROWS) > 15
