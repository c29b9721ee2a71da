"""The histogram of times to decision."""

from uuid import UUID

from prometheus_client import CollectorRegistry, generate_latest

from pedidos.decision_times import DecisionTimes

CREATED = 1_700_000_000.0


def created_at(seconds: float) -> UUID:
    return UUID(int=(int(seconds * 1000) << 80) | (7 << 76))


def test_each_order_counts_by_the_time_since_its_creation():
    times, registry = DecisionTimes(), CollectorRegistry()
    registry.register(times)
    times.observe([created_at(CREATED), created_at(CREATED - 0.5), created_at(CREATED - 3600)], CREATED + 0.04)
    lines = generate_latest(registry).decode().splitlines()
    assert 'pedidos_decision_seconds_bucket{le="0.03"} 0.0' in lines
    assert 'pedidos_decision_seconds_bucket{le="0.05"} 1.0' in lines
    assert 'pedidos_decision_seconds_bucket{le="0.75"} 2.0' in lines
    assert 'pedidos_decision_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "pedidos_decision_seconds_count 3.0" in lines


def test_a_clock_that_is_behind_counts_as_no_time():
    times, registry = DecisionTimes(), CollectorRegistry()
    registry.register(times)
    times.observe([created_at(CREATED)], CREATED - 5)
    assert 'pedidos_decision_seconds_bucket{le="0.005"} 1.0' in generate_latest(registry).decode()
