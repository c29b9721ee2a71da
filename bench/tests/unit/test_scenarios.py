"""The catalogue of scenarios."""

import pytest

from bench.baseline import SCRIPTS
from bench.scenarios import GROUPS, SCENARIOS, choose
from bench.shop import BenchError


def test_scenarios_are_chosen_by_name_and_group_without_duplicates() -> None:
    assert [scenario.name for scenario in choose("unloaded,quick")] == ["unloaded", *GROUPS["quick"][:-1]]
    with pytest.raises(BenchError, match="unknown scenario 'none'; known are quick, "):
        choose("unloaded,none")


def test_the_former_name_of_the_quick_group_still_works() -> None:
    assert choose("rapido") == choose("quick")


@pytest.mark.parametrize(
    "script", sorted({name for s in SCENARIOS.values() for name in (s.baseline, s.limit) if name is not None})
)
def test_every_baseline_and_limit_has_its_script(script: str) -> None:
    assert (SCRIPTS / f"{script}.sql").exists()
