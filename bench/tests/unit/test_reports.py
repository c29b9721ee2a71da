"""Parsing the reports of wrk and pgbench, and detecting their failures."""

import pytest

from bench import baseline
from bench.load_generator import GeneratorError, parse_wrk

WRK = """Running 11s test @ http://127.0.0.1:8080
  1 threads and 256 connections
  14250 requests in 11.01s, 9.93MB read
Requests/sec:   1294.36

bench {"responses": 14250, "microseconds": 11009000, "p50": 194389, "p99": 359857, "max": 479897, "http_errors": 3, "network_errors": 2, "timeouts": 1, "late": 7}
"""  # noqa: E501 - verbatim output

PGBENCH = """pgbench (18.6)
transaction type: uniforme_3.sql
number of transactions actually processed: 134692
number of failed transactions: 0 (0.000%)
latency average = 2.375 ms
initial connection time = 57.640 ms
tps = 13469.259423 (without initial connection time)
"""


def test_the_report_of_wrk_is_parsed() -> None:
    seen = parse_wrk(WRK)
    assert (seen.total, seen.failures, seen.late, seen.seconds) == (14250, 6, 7, 11.009)
    assert (seen.p50, seen.p99, seen.maximum) == (194.389, 359.857, 479.897)


def test_wrk_without_a_report_has_failed() -> None:
    with pytest.raises(GeneratorError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_baseline_excludes_connection_time() -> None:
    assert baseline.parse(PGBENCH) == 13469.259423
    assert baseline.transactions(PGBENCH) == 134692


@pytest.mark.parametrize(
    "output",
    ["", PGBENCH.replace("transactions: 0 (", "transactions: 7 ("), PGBENCH.replace("13469.259423", "0.000000")],
)
def test_a_failed_baseline_raises(output: str) -> None:
    with pytest.raises(GeneratorError, match="pgbench failed"):
        baseline.parse(output)
