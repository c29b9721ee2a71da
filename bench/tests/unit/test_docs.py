"""docs/performance.md matches the bench."""

import re
import shlex
from fnmatch import fnmatch

import pytest

from bench.cli import parser
from bench.scenarios import GROUPS, SCENARIOS, choose
from local_system.config import ROOT

TEXT = (ROOT / "docs" / "performance.md").read_text()
PATTERNS = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.+?) \|", TEXT.split("## Scenarios")[1], re.M)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_described(name: str) -> None:
    assert [pattern for pattern in PATTERNS if fnmatch(name, pattern)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_described_scenario_exists(pattern: str) -> None:
    assert [name for name in SCENARIOS if fnmatch(name, pattern)]


def test_every_group_is_named() -> None:
    assert all(f"`{group}`" in TEXT for group in GROUPS)


def test_commands_parse() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S)
    commands = [re.split("[#>]", line)[0].strip() for block in blocks for line in block.splitlines() if line]
    for command in commands:
        words = shlex.split(command)
        if words[0] == "make":
            values = dict(word.split("=", 1) for word in words[2:])
            choose(values.pop("SCENARIOS", "standard"))
            parser().parse_args(["measure", *shlex.split(values.pop("BENCH", ""))])
            assert set(values) <= {"ROUNDS", "SECONDS"}, command
        else:
            assert words[:3] == [".venv/bin/python", "-m", "bench"]
            parser().parse_args(words[3:])
