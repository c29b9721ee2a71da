"""docs/metrics.md lists what the code declares, and alerts name only metrics that exist."""

import re
import subprocess
import sys
from pathlib import Path

import dashboards
import libyaml
import metric_reference

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
FOREIGN = ("envoy_", "rabbitmq_", "process_")


def test_the_reference_is_up_to_date():
    """In a separate process, where no other test has registered metrics."""
    script = "import metric_reference as m, sys; sys.stdout.write(m.page())"
    path = {"PYTHONPATH": ":".join([str(ROOT / "tests" / "support"), *sys.path])}
    written = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert written.stdout == metric_reference.PAGE.read_text(), "run `make reference`"


def test_alerts_and_dashboards_name_only_metrics_that_exist():
    known = set(re.findall(r"^\| `(\w+)`", metric_reference.PAGE.read_text(), re.M))
    groups = libyaml.load(RULES.read_text())["groups"]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    expressions += [query for one in dashboards.DASHBOARDS for panel in one.panels for query, _ in panel.queries]
    without_labels = [re.sub(r"\{[^}]*\}|\b(?:by|on) \([^)]*\)", "", expression) for expression in expressions]
    named = {name for text in without_labels for name in re.findall(r"(?<![:\w])[a-z]+_[a-z_]+\b(?!:)", text)}
    ours = {name for name in named if not name.startswith(FOREIGN)} - {"histogram_quantile", "label_replace"}
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours}
    assert len(bare) > 30
    assert bare - known == set()
