"""The result tables, in Markdown. Pure."""

from collections.abc import Sequence
from typing import Any

from bench.goals import Goal, evaluate
from bench.summary import Summary, summarize

_SCENARIO_HEADINGS = ("scenario", "orders/s", "minimum", "baseline", "ratio", "minimum", "p50 ms", "p99 ms", "rounds")
_GOAL_HEADINGS = ("goal", "median", "minimum", "maximum", "limit", "")


def tables(measurements: Sequence[dict[str, Any]]) -> str:
    """A table of scenarios with medians and minima over the rounds, and a table of goals."""
    by_scenario: dict[str, list[dict[str, Any]]] = {}
    rounds: dict[int, dict[str, Any]] = {}
    for measurement in measurements:
        by_scenario.setdefault(measurement["scenario"], []).append(measurement)
        rounds.setdefault(measurement["round"], {})[measurement["scenario"]] = measurement
    scenarios = [_row(name, measured) for name, measured in by_scenario.items()]
    goals = [_goal_row(goal, summary) for goal, summary in evaluate(list(rounds.values()))]
    sections = ((_SCENARIO_HEADINGS, scenarios), (_GOAL_HEADINGS, goals))
    return "\n\n".join(to_markdown([heading, *body]) for heading, body in sections if body)


def _row(name: str, measured: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    rates = summarize([m["per_second"] for m in measured])
    compared = ("", "", "")
    if "baseline" in measured[0]:
        base = summarize([m["baseline"]["per_second"] for m in measured])
        ratio = summarize([m["per_second"] / m["baseline"]["per_second"] for m in measured])
        compared = (f"{base.median:,.0f}", f"{ratio.median:.2f}", f"{ratio.minimum:.2f}")
    latencies = ("", "")
    if "client" in measured[0]:
        p50, p99 = (summarize([m["client"][which] for m in measured]).median for which in ("p50", "p99"))
        latencies = (f"{p50:.1f}", f"{p99:.1f}")
    return (name, f"{rates.median:,.0f}", f"{rates.minimum:,.0f}", *compared, *latencies, str(rates.rounds))


def _goal_row(goal: Goal, summary: Summary) -> tuple[str, ...]:
    limit = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
    values = [f"{value:,.2f}" for value in (summary.median, summary.minimum, summary.maximum)]
    return (goal.name, *values, limit, "reached" if goal.reached(summary) else "missed")


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Formats rows. The first row is the heading; the first column is left-aligned, the others right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    texts = ["| " + " | ".join(map(_align, row, widths, range(len(row)))) + " |" for row in rows]
    ruler = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for n, w in enumerate(widths)) + "|"
    return "\n".join([texts[0], ruler, *texts[1:]])


def _align(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
