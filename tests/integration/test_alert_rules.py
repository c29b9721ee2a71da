"""The alert rules, tested by promtool: each fires on its fault and stays silent under normal conditions."""

import re
import shutil
import subprocess
from pathlib import Path

import libyaml
import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
TESTS = ROOT / "tests" / "alerts" / "rules_test.yaml"
SLOW_BURNS = {"ReservaEstoqueSlowDecisionsSlowBurn", "ReservaEstoqueGatewayErrorsSlowBurn"}
"""The same expressions as the alerts without `SlowBurn`, with a lower threshold over more hours."""
RAISED_BY = ("tests/integration/telemetry/test_alerts.py", "tests/charts/test_gateway.py")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing: install the package prometheus")
    return found


def test_the_rules_do_what_their_tests_say(promtool: str, tmp_path: Path):
    for file in (RULES, TESTS):
        shutil.copy(file, tmp_path)
    ran = subprocess.run(
        [promtool, "test", "rules", TESTS.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_alert_has_a_test_in_which_it_fires():
    alerts = names()
    tests = libyaml.load(TESTS.read_text())["tests"]
    fired = {case["alertname"] for one in tests for case in one.get("alert_rule_test", []) if case["exp_alerts"]}
    assert fired == alerts
    silent = {case["alertname"] for one in tests for case in one.get("alert_rule_test", []) if not case["exp_alerts"]}
    assert alerts - silent <= SLOW_BURNS


def test_the_cause_of_every_alert_is_produced_on_a_real_system():
    raised = {name for file in RAISED_BY for name in re.findall(r"ReservaEstoque\w+", (ROOT / file).read_text())}
    assert names() - raised == SLOW_BURNS


def names() -> set[str]:
    groups = libyaml.load(RULES.read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_summaries_name_only_labels_that_their_expressions_keep():
    rules = [rule for group in libyaml.load(RULES.read_text())["groups"] for rule in group["rules"]]
    for rule in (rule for rule in rules if "alert" in rule):
        recorded = [one for one in rules if one.get("record", " ") in rule["expr"]]
        grouped = [by for one in (rule, *recorded) for by in re.findall(r"by \(([^)]*)\)", one["expr"])]
        added = re.findall(r'"(\w+)", "\w+", "", ""\)', rule["expr"])
        added += [name for one in recorded for name in one.get("labels", {})]
        kept = {*re.findall(r"\w+", " ".join(grouped)), *added}
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert used <= kept, rule["alert"]
