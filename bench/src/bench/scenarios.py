"""The catalogue of scenarios."""

from collections.abc import Iterator, Mapping, Sequence

from bench import baseline, convergence, end_to_end, estoque_alone, growth, mass_expiry
from bench.distribution import DISTRIBUTIONS
from bench.end_to_end import FEW_UNITS
from bench.estoque_alone import REFUSED
from bench.plan import Scenario
from bench.shop import BenchError

REPLICAS = (1, 2, 4)


def _all() -> Iterator[Scenario]:
    for distribution in DISTRIBUTIONS:
        for itens in (1, 3):
            yield from _of_distribution(distribution, itens)
    yield Scenario("unloaded", end_to_end.unloaded)
    for count in REPLICAS:
        yield Scenario(f"e2e-replicas-{count}", end_to_end.with_replicas(count))
        yield Scenario(f"estoque-replicas-{count}", estoque_alone.decide("hot", 3, replicas=count))
    yield Scenario("e2e-refusals", end_to_end.saturated("hot", 3, hot_units=FEW_UNITS))
    yield Scenario("estoque-refusals", estoque_alone.decide("hot", 3, hot_units=FEW_UNITS, count=REFUSED))
    yield Scenario("mass-expiry", mass_expiry.all_at_once)
    yield Scenario("unswept", mass_expiry.never_swept)
    yield Scenario("convergence", convergence.converge)
    for name, all_skus in (("grown", False), ("grown-all-skus", True)):
        measure = growth.saturated(all_skus=all_skus)
        yield Scenario(name, measure, baseline.script_of("uniform", 3), at_end=growth.conferir)


def _of_distribution(distribution: str, itens: int) -> Iterator[Scenario]:
    script = baseline.script_of(distribution, itens)
    name = f"{distribution}-{itens}"
    yield Scenario(f"e2e-{name}", end_to_end.saturated(distribution, itens), script)
    yield Scenario(f"accept-{name}", end_to_end.saturated(distribution, itens, wait=False), script)
    yield Scenario(f"half-{name}", end_to_end.half(distribution, itens))
    limit = baseline.limit_of(distribution, itens)
    yield Scenario(f"estoque-{name}", estoque_alone.decide(distribution, itens), script, limit)


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _all()}

_QUICK = ("e2e-uniform-3", "e2e-hot-3", "estoque-uniform-3", "estoque-hot-3", "unloaded")
_STANDARD = (
    *_QUICK,
    *("half-uniform-3", "half-hot-3"),
    *("e2e-uniform-1", "e2e-hot-1", "e2e-zipf-1", "e2e-zipf-3"),
    *(f"{what}-replicas-{count}" for what in ("e2e", "estoque") for count in REPLICAS),
    *("e2e-refusals", "estoque-refusals"),
)
GROUPS: Mapping[str, Sequence[str]] = {
    "quick": _QUICK,
    "rapido": _QUICK,  # the former name of `quick`, which scripts still use
    "standard": _STANDARD,
    "long": ("e2e-uniform-3", "e2e-hot-3", "mass-expiry", "unswept", "grown", "grown-all-skus", "convergence"),
    "all": tuple(SCENARIOS),
}
"""Named groups. `long` includes the scenarios it is compared with."""


def choose(text: str) -> list[Scenario]:
    """Scenarios by comma-separated names and groups, without duplicates. Raises BenchError for an unknown name."""
    names = [name for word in text.split(",") for name in GROUPS.get(word, (word,))]
    for name in names:
        if name not in SCENARIOS:
            raise BenchError(f"unknown scenario {name!r}; known are {', '.join([*GROUPS, *SCENARIOS])}")
    return [SCENARIOS[name] for name in dict.fromkeys(names)]
