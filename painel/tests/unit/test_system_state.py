"""The state of the system, computed from its parts' answers."""

import math
from datetime import UTC, datetime

import pytest

from painel import histogram
from painel.exposition import parse
from painel.system_state import NAMES, ScrapeResult, Snapshot, state

PEDIDOS = """\
# HELP pedidos_decision_seconds From an order's creation to its first decision
# TYPE pedidos_decision_seconds histogram
pedidos_decision_seconds_bucket{{le="0.1"}} {fast}
pedidos_decision_seconds_bucket{{le="1.0"}} {all}
pedidos_decision_seconds_bucket{{le="+Inf"}} {all}
pedidos_decision_seconds_count {all}
outbox_depth 3.0
outbox_oldest_seconds 1.25
"""
ESTOQUE = """
estoque_reservations{state="lapsing"} 7.0
estoque_reservations{state="lapsed"} 9.0
outbox_depth 0.0
outbox_oldest_seconds 0.0
"""
CONFERIR = """\
conferir_violations_total{rule="oversold"} 0.0
conferir_violations_total{rule="lost"} 2.0
conferir_last_round_timestamp_seconds{scan="skus"} 1700000000.0
conferir_last_round_timestamp_seconds{scan="pedidos"} 1700000060.0
"""
RABBITMQ = """\
rabbitmq_detailed_queue_messages{vhost="reservaestoque",queue="estoque.pedidos"} 50
rabbitmq_detailed_queue_messages{vhost="reservaestoque",queue="estoque.pedidos.dlq"} 4
rabbitmq_detailed_queue_messages_ready{vhost="reservaestoque",queue="estoque.pedidos.dlq"} 9
"""


def look(part: str, text: str | None, name: str | None = None, *, ready: bool = True) -> ScrapeResult:
    return ScrapeResult(part, name or f"{part}-1", ready, None if text is None else parse(text, NAMES))


def pedidos(fast: int, total: int, name: str = "pedidos-1") -> ScrapeResult:
    return look("pedidos", PEDIDOS.format(fast=fast, all=total), name)


def test_rates_and_quantiles_are_those_of_the_interval():
    before = Snapshot(100.0, [pedidos(1000, 1000)])
    now = Snapshot(102.0, [pedidos(1010, 1020)])
    told = state(now, before)
    assert told.orders_per_second == 10.0
    assert told.decision.p50 == pytest.approx(0.1)
    assert told.decision.p99 == pytest.approx(0.982)


def test_replicas_are_summed_and_a_new_one_counts_from_its_second_scrape():
    before = Snapshot(100.0, [pedidos(0, 0, "a"), pedidos(5, 5, "b")])
    now = Snapshot(102.0, [pedidos(4, 4, "a"), pedidos(7, 7, "b"), pedidos(900, 900, "c")])
    assert state(now, before).orders_per_second == 3.0


def test_a_restarted_replica_counts_from_zero():
    told = state(Snapshot(102.0, [pedidos(6, 6)]), Snapshot(100.0, [pedidos(5000, 5000)]))
    assert told.orders_per_second == 3.0


def test_without_orders_the_rate_is_zero_and_the_quantiles_are_unknown():
    told = state(Snapshot(102.0, [pedidos(5, 5)]), Snapshot(100.0, [pedidos(5, 5)]))
    assert (told.orders_per_second, told.decision.p50, told.decision.p99) == (0.0, None, None)


def test_the_first_scrape_yields_no_rate():
    assert state(Snapshot(100.0, [pedidos(5, 5)]), None).orders_per_second is None


def test_figures_are_read_from_the_parts_metrics():
    looks = [
        pedidos(0, 0),
        look("estoque", ESTOQUE),
        look("conferir", CONFERIR),
        look("rabbitmq", RABBITMQ),
        look("operator", 'operador_conflicting_sku{sku="CAMISETA-P"} 1.0\n'),
    ]
    told = state(Snapshot(1700000100.0, looks), None)
    assert told.at == datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    assert (told.outbox["pedidos"].depth, told.outbox["pedidos"].age) == (3, 1.2)
    assert told.outbox["estoque"].depth == 0
    assert told.lapsing == 7
    assert told.audit.violations == 2
    assert told.audit.last == datetime.fromtimestamp(1700000000, UTC), "the scan that is furthest behind"
    assert told.dead_letters == {"estoque.pedidos": 4, "pedidos.status": None}
    assert told.conflicts == ["CAMISETA-P"]


def test_unknown_figures_are_null():
    told = state(
        Snapshot(100.0, [look("pedidos", None, ready=False), ScrapeResult("conferir", "", ready=False)]), None
    )
    assert told.outbox["pedidos"].depth is None
    assert told.lapsing is None
    assert (told.audit.violations, told.audit.last) == (None, None)
    assert set(told.dead_letters.values()) == {None}
    assert [(part.name, [replica.up for replica in part.replicas]) for part in told.parts] == [
        ("pedidos", [False]),
        ("conferir", []),
    ]


def test_the_growth_of_a_histogram_begins_again_after_a_restart():
    assert histogram.growth({1.0: 5, math.inf: 9}, {1.0: 2, math.inf: 3}) == {1.0: 2, math.inf: 3}
    assert histogram.growth({1.0: 5, math.inf: 9}, {1.0: 6, math.inf: 11}) == {1.0: 1, math.inf: 2}


@pytest.mark.parametrize(
    ("share", "buckets", "value"),
    [
        (0.5, {1.0: 10, 2.0: 10, math.inf: 10}, 0.5),
        (0.99, {1.0: 0, 2.0: 100, math.inf: 100}, 1.99),
        (0.99, {1.0: 1, math.inf: 100}, 1.0),
        (0.5, {1.0: 0, math.inf: 0}, None),
        (0.5, {}, None),
    ],
)
def test_quantiles_are_those_of_prometheus(share: float, buckets: dict[float, float], value: float | None):
    assert histogram.quantile(share, buckets) == (None if value is None else pytest.approx(value))


def test_labels_may_hold_anything():
    page = 'm{a="x,y}",b="q\\"uo\\\\te\\n"} 1.5\nm 2\nmore{a="1"} 3\nm{a="broken} 4\nm{a="1"} nothing\n'
    metrics = parse(page, ["m"])
    assert [(dict(s.labels), s.value) for s in metrics.all("m")] == [
        ({"a": "x,y}", "b": 'q"uo\\te\n'}, 1.5),
        ({}, 2.0),
    ]
    assert metrics.sum("m") == 3.5
    assert metrics.sum("m", a="elsewhere") is None
