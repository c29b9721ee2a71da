"""What the load generators and pgbench print is understood, and so is that they failed."""

import pytest

from bancada import baseline
from bancada.gerador import GeradorError, ler_wrk

WRK = """Running 11s test @ http://127.0.0.1:8080
  1 threads and 256 connections
  14250 requests in 11.01s, 9.93MB read
Requests/sec:   1294.36

bancada {"respostas": 14250, "microssegundos": 11009000, "p50": 194389, "p99": 359857, "max": 479897, "erros_http": 3, "erros_de_rede": 2, "tempos_esgotados": 1, "atrasados": 7}
"""  # noqa: E501 - as it is printed

PGBENCH = """pgbench (18.6)
transaction type: uniforme_3.sql
number of transactions actually processed: 134692
number of failed transactions: 0 (0.000%)
latency average = 2.375 ms
initial connection time = 57.640 ms
tps = 13469.259423 (without initial connection time)
"""


def test_what_wrk_has_seen() -> None:
    visto = ler_wrk(WRK)
    assert (visto.total, visto.falhas, visto.atrasadas, visto.segundos) == (14250, 6, 7, 11.009)
    assert (visto.p50, visto.p99, visto.maximo) == (194.389, 359.857, 479.897)


def test_a_wrk_that_says_nothing_has_failed() -> None:
    with pytest.raises(GeradorError, match="unable to connect"):
        ler_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_baseline_is_what_pgbench_says_without_the_time_to_connect() -> None:
    assert baseline.ler(PGBENCH) == 13469.259423


@pytest.mark.parametrize(
    "saida",
    ["", PGBENCH.replace("transactions: 0 (", "transactions: 7 ("), PGBENCH.replace("13469.259423", "0.000000")],
)
def test_a_baseline_that_failed_is_none(saida: str) -> None:
    with pytest.raises(GeradorError, match="pgbench failed"):
        baseline.ler(saida)
