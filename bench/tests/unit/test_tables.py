"""Summaries, goals and result tables."""

from typing import Any

import pytest

from bench.goals import GOALS, evaluate
from bench.profiling import cpu_table
from bench.scenarios import GROUPS, SCENARIOS
from bench.summary import summarize
from bench.tables import tables, to_markdown


def measurement(scenario: str, round_number: int, per_second: float, base: float, ms: float = 10.0) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "round": round_number,
        "per_second": per_second,
        "baseline": {"per_second": base, "cpu_seconds": 0.001},
        "limit": {"per_second": 2 * base},
        "measured_seconds": 10.0,
        "cpu": {"pedidos-1": 10 * per_second * 0.002, "wrk": 10 * per_second * 0.0005},
        "client": {"p50": ms, "p99": 2 * ms},
        "before": {"per_second": 2 * per_second},
        "seconds_until_swept": 100.0,
        "raw": {"patches_per_second": per_second},
    }


def test_rounds_are_summarized_by_their_median_and_extremes() -> None:
    assert summarize([3, 1, 2]) == (2, 1, 3, 3)
    with pytest.raises(ValueError, match="no round"):
        summarize([])


def test_goals_compare_measurements_of_the_same_round() -> None:
    # The machine was twice as fast in the second round: the ratio stays.
    measurements = [measurement("e2e-uniform-3", 1, 500, 1000), measurement("e2e-uniform-3", 2, 1000, 2000)]
    (goal, summary), (cpu_goal, cpu) = evaluate([{m["scenario"]: m} for m in measurements])
    assert goal.name == "end to end over baseline, uniform, 3 items"
    assert (summary.median, summary.minimum, summary.maximum) == (0.5, 0.5, 0.5)
    assert cpu_goal.name.startswith("CPU per order over that of the baseline")
    assert cpu.median == pytest.approx(2.5)


def test_every_goal_uses_existing_scenarios() -> None:
    one_round = {name: measurement(name, 1, 100, 50) for name in SCENARIOS}
    assert [goal for goal, _ in evaluate([one_round])] == list(GOALS)


def test_the_standard_and_long_groups_cover_every_goal() -> None:
    one_round = {name: measurement(name, 1, 100, 50) for name in [*GROUPS["standard"], *GROUPS["long"]]}
    assert [goal for goal, _ in evaluate([one_round])] == list(GOALS)


def test_more_is_better_for_speed_and_less_for_time() -> None:
    fast, slow = GOALS[0], next(goal for goal in GOALS if not goal.at_least)
    assert [fast.reached(summarize([v])) for v in (0.39, 0.4)] == [False, True]
    assert [slow.reached(summarize([v])) for v in (slow.limit, slow.limit + 1)] == [True, False]


def test_the_tables_show_medians_minima_and_goals() -> None:
    text = tables(
        [measurement("e2e-hot-3", n, 2200 + n, 1000) for n in (1, 2, 3)] + [measurement("unloaded", 1, 60, 1, 16)]
    )
    assert "| e2e-hot-3 |    2,202 |   2,201 |    1,000 |  2.20 |    2.20 |   10.0 |   20.0 |      3 |" in text
    assert "| end to end over baseline, one hot SKU, 3 items |   2.20 |    2.20 |    2.20 | ≥ 2.2 | reached |" in text
    assert "unloaded p50 (ms)" not in text  # not every round measured it


def test_rounds_without_goals_make_one_table() -> None:
    assert tables([measurement("accept-zipf-1", 1, 60, 1)]).count("rounds") == 1
    assert "limit" not in tables([measurement("accept-zipf-1", 1, 60, 1)])


def test_a_table_is_markdown() -> None:
    assert to_markdown([("a", "bb"), ("ccc", "1")]).splitlines() == ["| a   | bb |", "|-----|---:|", "| ccc |  1 |"]


def test_cpu_is_shown_per_core_and_per_order() -> None:
    cpu, mib = {"pedidos-1": 5.0, "wrk": 1.0}, {"after": {"pedidos-1": 81.2}}
    text = cpu_table({"measured_seconds": 10.0, "per_second": 1000, "cpu": cpu, "mib": mib})
    assert text.splitlines()[2:] == [
        "| pedidos-1 |     50.0% |        0.500 |  81 |",
        "| wrk       |     10.0% |        0.100 |     |",
        "| all       |     60.0% |        0.600 |     |",
    ]
