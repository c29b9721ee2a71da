"""The table of `bench tracing`: figures per order, and ratios within a round."""

import re

import httpx
import pytest

from bench.tracing import OFF, collector, cpu_per_order, off_remark, table


def measured(per_second: float, programs: float, spans: float = 0) -> dict[str, object]:
    cpu = {"pedidos-1": programs, "wrk": 9.0, "bench": 9.0, "others on this machine": 9.0}
    return {"per_second": per_second, "measured_seconds": 2.0, "cpu": cpu, "spans": spans}


def test_the_load_generator_and_the_rest_of_the_machine_do_not_count():
    assert cpu_per_order(measured(1000, 4.0)) == pytest.approx(2.0)


def test_ratios_are_taken_within_a_round():
    found = {
        OFF: [measured(1000, 2.0), measured(500, 2.0)],
        "100 %": [measured(800, 2.0, 900), measured(400, 2.0, 1100)],
    }
    [_, _, off, on] = table(found).splitlines()
    assert [cell.strip() for cell in off.strip("|").split("|")] == ["off", "750", "1.00", "1.500", "1.00", "0", "2"]
    assert [cell.strip() for cell in on.strip("|").split("|")] == [
        "100 %",
        "600",
        "0.80",
        "1.875",
        "1.25",
        "1,000",
        "2",
    ]


def test_the_cost_of_disabled_tracing_is_compared_with_an_order():
    said = re.search(r"take (\S+) µs of an order: (\S+)% of the CPU time", off_remark([measured(1000, 2.0)]))
    assert said is not None
    micros, percent = map(float, said.groups())
    assert micros > 0
    assert percent == pytest.approx(micros / 1000 * 100, abs=0.01)


def test_the_collector_counts_what_it_receives():
    with collector() as (endpoint, received), httpx.Client(trust_env=False) as client:
        assert received.bytes() == 0
        client.post(f"{endpoint}/v1/traces", content=b"x" * 100).raise_for_status()
        client.post(f"{endpoint}/v1/traces", content=iter([b"x" * 20, b"y" * 3])).raise_for_status()
        assert received.bytes() == 123
