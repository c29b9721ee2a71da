import re
from pathlib import Path

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from operador import metricas

DOC = Path(__file__).parents[3] / "docs" / "operator.md"


def test_every_metric_is_described_and_every_description_is_a_metric():
    tabela = DOC.read_text().split("## Metrics")[1].split("\n## ")[0]
    todas = [m for m in vars(metricas).values() if isinstance(m, MetricWrapperBase)]
    nomes = {m._name + ("_total" if isinstance(m, Counter) else "") for m in todas}
    assert set(re.findall(r"`(operador_[a-z_]+)`", tabela)) == nomes
