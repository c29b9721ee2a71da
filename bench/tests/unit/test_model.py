"""The model obeys the laws of queues, and agrees with the measurements as far as its page says."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from bench.model import LAYOUTS, Closed, Open, OverloadError, Prediction, Queued, Setup, simulate
from bench.model_cli import PARAMETERS, read_parameters
from bench.model_fit import Measured, fit
from bench.model_parameters import PARTS, Cost, Parameters, parse

KNOWN = read_parameters(PARAMETERS)


@cache
def saturated() -> Prediction:
    return simulate(KNOWN, Setup(), Closed(768), orders=10_000)


@cache
def half() -> Prediction:
    return simulate(KNOWN, Setup(), Open(1_417), orders=10_000)


def only(part: str, cost: float, **changes: object) -> Parameters:
    """Only orders in this one part cost CPU."""
    costs = {name: Cost(cost if name == part else 0.0, 0.0) for name in PARTS}
    costs["generator"] = Cost(1e-9, 0.0)
    unpaced = {"interval": 0.0, "longest_interval": 0.0}
    free = {"flush": 0.0, "background": 0.0, "notify": 0.0, "paced": 0.0, **unpaced, **changes}
    return replace(KNOWN, costs=costs, **free)


@pytest.mark.parametrize(
    ("setup", "load"),
    [
        (Setup(), Closed(768)),
        (Setup(cores=1), Closed(300)),
        (Setup(pedidos=4, estoque=2, cores=4), Closed(3000)),
        (Setup(), Open(1_500)),
        (Setup(pedidos=2, layout="4"), Closed(1500)),
        (Setup(hot=True, estoque=2), Queued(40_000)),
    ],
)
def test_no_machine_does_more_than_its_cores_can(setup: Setup, load: Closed | Open | Queued) -> None:
    seen = simulate(KNOWN, setup, load, orders=10_000)
    for parts in LAYOUTS[setup.layout]:
        assert seen.per_second / 1000 * sum(seen.cpu[part] for part in parts) <= setup.cores * 1.02
    assert all(0 <= used <= 1 for used in seen.used.values())


@pytest.mark.parametrize("predict", [saturated, half], ids=["closed", "open"])
def test_littles_law(predict: Callable[[], Prediction]) -> None:
    seen = predict()
    assert seen.in_flight == pytest.approx(seen.per_second / 1000 * seen.mean, rel=0.03)


def test_every_customer_is_in_flight() -> None:
    assert saturated().in_flight == pytest.approx(768, rel=0.001)


def test_a_constant_rate_is_served() -> None:
    assert half().per_second == pytest.approx(1_417, rel=0.02)


def test_a_rate_beyond_saturation_is_an_overload() -> None:
    with pytest.raises(OverloadError):
        simulate(only("pedidos", 1.0), Setup(cores=4), Open(1_500), orders=100_000)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_cores_never_slow_it_down(layout: str) -> None:
    rates = [
        simulate(
            KNOWN, Setup(pedidos=4, estoque=2, cores=cores, layout=layout), Closed(2000), orders=8_000
        ).per_second
        for cores in (1, 2, 4, 16)
    ]
    assert all(more >= 0.98 * fewer for fewer, more in itertools.pairwise(rates)), rates


@pytest.mark.parametrize(("pedidos", "cores", "expected"), [(1, 4, 2_000), (3, 4, 6_000), (4, 2, 4_000)])
def test_a_part_alone_is_as_fast_as_its_threads_or_cores(pedidos: int, cores: int, expected: float) -> None:
    seen = simulate(only("pedidos", 0.5), Setup(pedidos=pedidos, cores=cores), Closed(2_000), orders=30_000)
    assert seen.per_second == pytest.approx(expected, rel=0.03)
    assert seen.bottleneck == ("cores" if pedidos > cores else "thread of pedidos")


def test_fixed_waits_alone_are_the_latency_of_one_customer() -> None:
    seen = simulate(only("pedidos", 0.0, flush=2.0), Setup(), Closed(1), orders=50)
    assert seen.p50 == pytest.approx(5 * 2.0, rel=0.01)  # two databases, one of them twice, and two messages


def test_batches_wait_for_the_interval_but_a_single_order_does_not() -> None:
    slow = only("pedidos", 0.0, interval=40.0, flush=2.0)
    assert simulate(slow, Setup(), Closed(1), orders=50).p50 < 11
    assert 20 < simulate(slow, Setup(), Open(1_000)).p50 < 60


@pytest.mark.parametrize(("flush", "fewer"), [(2.0, 1.0), (12.0, 0.7)])
def test_commits_that_take_long_start_further_apart(flush: float, fewer: float) -> None:
    paced = only("pedidos", 0.0, interval=10.0, longest_interval=40.0, flush=flush)
    evenly = replace(paced, longest_interval=10.0)
    commits, even = (simulate(p, Setup(), Open(1_000)).wakes["pedidos-db"] for p in (paced, evenly))
    assert commits <= fewer * even


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_a_hot_sku_is_decided_in_one_transaction_after_another(replicas: int) -> None:
    alone = only("estoque-db", 0.05, flush=5.0)
    seen = simulate(alone, Setup(estoque=replicas, cores=32, hot=True), Queued(40_000))
    batch = alone.max_events
    held = batch * 0.05 * alone.shares["estoque-db.reserve"] * alone.hot + 5.0
    assert seen.per_second <= batch / held * 1000 * 1.01
    if replicas > 1:
        assert seen.bottleneck == "stock locks"
        assert seen.per_second == pytest.approx(batch / held * 1000, rel=0.03)


def test_batches_that_never_meet_are_decided_side_by_side() -> None:
    alone = only("estoque-db", 0.05, flush=1.0, skus=10**12)
    rates = [simulate(alone, Setup(estoque=n, cores=32), Queued(40_000)).per_second / n for n in (1, 4)]
    assert rates[1] == pytest.approx(rates[0], rel=0.1)


def test_a_seed_determines_everything() -> None:
    once, again, other = (simulate(KNOWN, Setup(pedidos=2), Closed(300), orders=3_000, seed=s) for s in (5, 5, 6))
    assert once == again
    assert once != other


def test_a_fit_reproduces_the_measurements_it_was_given() -> None:
    given = Measured(saturated().cpu, half().cpu, rate=1_417, unloaded_p50=9.0)
    start = replace(
        KNOWN, costs={part: Cost(cost.order * 1.3, cost.wake * 0.5) for part, cost in KNOWN.costs.items()}
    )
    fitted = fit(start, Setup(), given, orders=3_000)
    full = simulate(fitted, Setup(), Closed(768))
    for part in PARTS:
        assert full.cpu[part] == pytest.approx(saturated().cpu[part], rel=0.1), part
    assert simulate(fitted, Setup(), Closed(1), orders=50).p50 == pytest.approx(9.0, rel=0.05)


@pytest.mark.parametrize(
    ("setup", "load", "measured"),
    [
        (Setup(), Closed(768), 5_279),
        (Setup(hot=True), Closed(768), 5_504),
        (Setup(), Queued(200_000), 24_848),
        (Setup(hot=True), Queued(200_000), 29_263),
        (Setup(pedidos=2), Closed(768), 4_953),
        (Setup(pedidos=2, estoque=2), Closed(768), 5_080),
        (Setup(cores=1), Closed(768), 2_763),
    ],
    ids=["uniform", "hot", "estoque alone", "estoque alone, hot", "two of pedidos", "two of both", "one core"],
)
def test_throughput_is_within_a_fifth_of_the_tenth_round(
    setup: Setup, load: Closed | Queued, measured: float
) -> None:
    assert simulate(KNOWN, setup, load).per_second == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(
    ("setup", "load", "measured"),
    [
        (Setup(), Closed(768), 205),
        (Setup(hot=True), Closed(768), 216),
        (Setup(), Open(2_527), 58),
        (Setup(pedidos=2, estoque=2), Closed(768), 246),
    ],
    ids=["uniform", "hot", "half of saturation", "two of both"],
)
def test_p99_is_within_a_fifth_of_the_tenth_round(setup: Setup, load: Closed | Open, measured: float) -> None:
    assert simulate(KNOWN, setup, load).p99 == pytest.approx(measured, rel=0.2)


def test_fewer_customers_order_less() -> None:
    """A tenth to a quarter less with 256 instead of 768, as measured."""
    assert 0.75 <= simulate(KNOWN, Setup(), Closed(256)).per_second / saturated().per_second <= 0.9


def test_every_figure_has_a_source() -> None:
    document = json.loads(PARAMETERS.read_text())
    document["flush"]["source"] = ""
    with pytest.raises(ValueError, match="flush has no source"):
        parse(document)


def test_the_shares_of_a_part_add_up_to_one() -> None:
    for part in {step.partition(".")[0] for step in KNOWN.shares}:
        assert sum(share for step, share in KNOWN.shares.items() if step.startswith(f"{part}.")) == pytest.approx(1)
