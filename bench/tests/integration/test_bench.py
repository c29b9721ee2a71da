"""A very short benchmark of a real system: checks that it measures, not the figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main

SCENARIOS = ("half-uniform-1", "e2e-hot-3", "estoque-hot-1", "mass-expiry", "convergence")
pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("load_generator")
def test_a_short_bench_prints_tables_and_keeps_raw_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    effort = ["--rounds=1", "--seconds=2", "--connections=16", "--ready=2000", "--lapsing=500", "--stock-items=40"]
    assert main(["measure", f"--scenarios={','.join(SCENARIOS)}", *effort, f"--folder={tmp_path}"]) == 0
    output = capsys.readouterr().out
    [data] = tmp_path.glob("2*")
    for name in SCENARIOS:
        measurement: dict[str, Any] = json.loads((data / f"01-{name}.json").read_text())
        assert measurement["per_second"] > 0, name
        assert measurement["conferir"].endswith("no violations"), name
        assert re.search(rf"^\| {name} +\|", output, re.M), name
        assert measurement["cpu"], name
        assert measurement["wal"].get("estoque", 0) > 0 or name == "convergence"
    half = json.loads((data / "01-half-uniform-1.json").read_text())
    assert half["requested_per_second"] == round(half["saturation"] / 2)
    assert half["client"]["total"] / half["client"]["seconds"] <= 1.1 * half["requested_per_second"]
    mass_expiry = json.loads((data / "01-mass-expiry.json").read_text())
    assert 0 < mass_expiry["seconds_until_swept"] < 60
    assert re.search(r"^\| mass expiry, until all are swept \(s\) +\|", output, re.M)
    convergence = json.loads((data / "01-convergence.json").read_text())
    assert convergence["raw"]["patches_per_second"] > 0
    assert convergence["live"]["per_second"] > 0
    assert convergence["restart"]["mib"]["after"]["operator"] > 10
    assert json.loads((data / "environment.json").read_text())["plan"]["seconds"] == 2
    assert (data / "tables.md").read_text() in output + "\n"


@pytest.mark.usefixtures("load_generator")
def test_tracing_off_and_on_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    effort = ["--rounds=1", "--seconds=2", "--connections=16", "--percents=100"]
    assert main(["tracing", *effort, f"--folder={tmp_path}"]) == 0
    output = capsys.readouterr().out
    [data] = tmp_path.glob("2*")
    off, on = (json.loads((data / f"01-{name}.json").read_text()) for name in ("off", "100"))
    for measurement in (off, on):
        assert measurement["per_second"] > 0
        assert measurement["conferir"].endswith("no violations")
    assert off["spans"] == 0
    assert on["spans"] > 500, "eight spans per order"
    assert re.search(r"^\| off +\|.*\| +1\.00 \|", output, re.M)
    assert re.search(r"^\| 100 % +\|", output, re.M)


def test_past_orders_pass_the_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grow", "--orders=1000", "--skus=300", f"--folder={tmp_path}"]) == 0
    output = capsys.readouterr().out
    assert "300 SKUs, 1000 orders with their lines, 1000 orders in both databases" in output
    assert "no violations" in output


def test_an_unknown_scenario_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "--scenarios=none", f"--folder={tmp_path}"]) == 1
    assert "unknown scenario 'none'" in capsys.readouterr().err
