import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("load_generator")
def test_half_of_saturation_is_sent_at_a_constant_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    effort = ["--rounds=1", "--seconds=3", "--connections=16"]
    assert main(["measure", "--scenarios=half-uniform-1", *effort, f"--folder={tmp_path}"]) == 0
    [data] = tmp_path.glob("2*")
    half: dict[str, Any] = json.loads((data / "01-half-uniform-1.json").read_text())
    assert half["per_second"] > 0
    assert half["conferir"].endswith("no violations")
    assert re.search(r"^\| half-uniform-1 +\|", capsys.readouterr().out, re.M)
    assert half["cpu"]
    assert half["wal"]["estoque"] > 0
    rate = half["client"]["total"] / half["client"]["seconds"]
    assert rate == pytest.approx(half["requested_per_second"], rel=0.1)
