"""Measurements taken while the machine is busy with other work are repeated."""

from pathlib import Path
from typing import Any, cast

import pytest

from bench.cpu import OTHERS
from bench.plan import Plan, Scenario
from bench.rounds import ATTEMPTS, measure_quietly
from bench.shop import Shop

NO_SHOP = cast(Shop, None)


def scenario(*others: float) -> Scenario:
    """Reports these shares of a core used by others, one per measurement."""
    times = iter(others)

    def measure(_: Shop, __: Plan) -> dict[str, Any]:
        rate = next(times)
        return {"per_second": 100 - rate, "measured_seconds": 10.0, "cpu": {OTHERS: 10 * rate}}

    return Scenario("unloaded", measure, at_end=lambda _: "")


def test_a_noisy_measurement_is_kept_but_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measurement = measure_quietly(NO_SHOP, scenario(1.5, 0.2, 0.1), Plan(others=0.3), 1, tmp_path)
    assert measurement["per_second"] == 99.8
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "01-unloaded-discarded-1.json",
        "01-unloaded.json",
    ]
    assert "150% of a core used by others: repeating" in capsys.readouterr().out


def test_the_last_attempt_counts_however_noisy(tmp_path: Path) -> None:
    noise = [1.0] * (ATTEMPTS - 1) + [0.9]
    assert measure_quietly(NO_SHOP, scenario(*noise, 0.0), Plan(others=0.3), 2, tmp_path)["per_second"] == 99.1


def test_nothing_is_repeated_by_default(tmp_path: Path) -> None:
    assert measure_quietly(NO_SHOP, scenario(2.0, 0.0), Plan(), 1, tmp_path)["per_second"] == 98
