"""A thousand histories, each determined by a seed, of orders through a lossy bus and parties that die; and the proof
that they would expose a mistake: they find every deliberate mistake in the code.
"""

import os
from functools import partial
from itertools import cycle

import pytest
from simulator.campaign import Result, prepare, run, run_side_by_side, search, side_by_side
from simulator.mutants import MUTANTS

from local_system import System

pytestmark = pytest.mark.integration

SEEDS = range(int(os.environ.get("SIMULATION_SEEDS", "1000")))
SIDE_BY_SIDE = 2

Stage = dict[str, str]


@pytest.fixture(scope="module")
def stages(backing: System) -> list[Stage]:
    return [prepare(backing, str(number)) for number in range(SIDE_BY_SIDE)]


def test_no_history_violates_an_invariant(stages: list[Stage]):
    result = run_side_by_side(stages, SEEDS)
    assert result.fault is None, result.fault
    assert result.seeds == len(SEEDS)
    reached = {
        *("Crash", "ConnectionDoesNotExistError", "lock waited for"),
        *("message lost", "message repeated", "confirm lost", "ForaDoHorizonte"),
        *("EstoqueReservado", "EstoqueNaoDisponivel", "ReservaExpirada", "Fechado", "Cancelado"),
        *("lapse lost of an old command", "question given up", "cancelled unheard"),
        *("PedidoEncerrado", "PedidoJaConhecido", "ReservaVigente", "PedidoMudou"),
    }
    assert reached <= set(result.seen), "the histories miss situations that they are meant to reach"


def test_a_seed_makes_the_same_history_every_time(stages: list[Stage]):
    first, second = (run(stage, range(40, 50)) for stage in stages[:2])
    assert first == second
    assert first.fault is None, "a history that ends in a crash proves nothing"


@pytest.fixture(scope="module")
def all_found(stages: list[Stage]) -> dict[str, Result]:
    """The seeds' verdict on each mistake, in parallel."""
    return dict(side_by_side(stages, [partial(search, seeds=SEEDS, mutant=name) for name in reversed(MUTANTS)]))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_mistake_is_found(all_found: dict[str, Result], name: str):
    assert all_found[name].fault, f"not found in {len(SEEDS)} seeds: {MUTANTS[name].error}"


def test_a_failure_names_its_seed_and_the_seed_replays_it(stages: list[Stage], all_found: dict[str, Result]):
    for name, stage in zip(["ignores-versions", "releases-lines-twice"], cycle(stages)):
        found = all_found[name]
        assert f"make simulate SEED={found.failing_seed}" in found.fault
        assert run(stage, [found.failing_seed], name).fault == found.fault
        assert run(stage, [found.failing_seed]).fault is None, "without the mistake no violation occurs"
