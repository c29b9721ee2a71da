import re
from pathlib import Path

from prometheus_client import REGISTRY

import operador.app  # noqa: F401 - registers the metrics

DOC = Path(__file__).parents[3] / "docs" / "operator.md"


def test_every_metric_is_described_and_every_description_is_a_metric():
    table = DOC.read_text().split("## Metrics")[1].split("\n## ")[0]
    ours = {m.name + ("_total" if m.type == "counter" else "") for m in REGISTRY.collect()}
    described = set(re.findall(r"`(operador_[a-z0-9_]+)`", table))
    assert described == {name for name in ours if name.startswith("operador_")}
