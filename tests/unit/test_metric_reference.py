"""docs/metrics.md lists what the code declares, and alerts name only metrics that exist."""

import re
import subprocess
import sys
from pathlib import Path

import metric_reference

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
FOREIGN = ("envoy_", "rabbitmq_", "cnpg_", "kube_", "pg_", "probe_", "certmanager_")


def test_the_reference_is_up_to_date():
    """In a process of its own, where no other test has registered metrics."""
    script = "import metric_reference as m, sys; sys.stdout.write(m.page())"
    path = {"PYTHONPATH": ":".join([str(ROOT / "tests" / "support"), *sys.path])}
    written = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert written.stdout == metric_reference.PAGE.read_text(), "run `make reference`"


def test_alerts_name_only_metrics_that_exist():
    known = set(re.findall(r"^\| `(\w+)`", metric_reference.PAGE.read_text(), re.M))
    expressions = re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n\s+(?:for|labels|annotations):", RULES.read_text())
    named = {name for text in expressions for name in re.findall(r"(?<!:)\b[a-z]+_[a-z_]+\b(?!:)", text)}
    ours = {name for name in named if not name.startswith(FOREIGN)}
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours}
    assert bare, "no expression was read"
    assert bare <= known
