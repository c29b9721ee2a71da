"""Attacks on a real Envoy: customers keep being served. The services behind it are a few lines of Python."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import envoy_here
import psutil
import pytest
from envoy_here import serving, without_refill

from bench.abuse import CUSTOMERS, Experience, Trial, attack, customers, report, trial
from local_system import gateway
from local_system.gateway import Limits, Options, Rate
from local_system.identity import Issuer
from local_system.ports import HOST, Ports

pytestmark = pytest.mark.integration
SECONDS = 5.0
HEAP = 400 << 20


@dataclass
class Gateway:
    port: int
    tokens: dict[str, str]
    thief: str
    process: psutil.Process

    def trial(self, name: str) -> Trial:
        return trial(name, self.port, self.tokens, self.thief, SECONDS, self.memory)

    def memory(self) -> dict[str, float]:
        return {"gateway": self.process.memory_info().rss / 1e6}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with started(tmp_path_factory.mktemp("abuse"), HEAP) as found:
        yield found


@contextmanager
def started(folder: Path, heap: int, once: Limits | None = None) -> Iterator[Gateway]:
    """A gateway with the limits of the chart, or with buckets of these sizes that are never refilled."""
    issuer = Issuer.open(folder / "jwt")
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        ports = Ports.free()
        text = gateway.render(
            gateway.TEMPLATE.read_text(),
            listen_port=ports.gateway,
            admin_port=ports.gateway_admin,
            pedidos=[pedidos.port],
            estoque=[estoque.port],
            painel=estoque.port,
            options=Options(providers={"one": issuer.provider()}, limits=once or Limits(), max_heap_bytes=heap),
        )
        text = without_refill(text) if once else text
        stack.enter_context(envoy_here.running(folder, text, {"SUBJECT_KEY": issuer.log_key}))
        (process,) = [
            child for child in psutil.Process(os.getpid()).children() if str(folder / "envoy.yaml") in child.cmdline()
        ]
        tokens = {f"cliente-{n}": issuer.token(f"cliente-{n}") for n in range(CUSTOMERS)}
        yield Gateway(ports.gateway, tokens, issuer.token("thief"), process)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("slowloris", "answered 408"),
        ("idle", "answers"),
        ("bombs", "answered 413"),
        ("rapid-reset", "lost connections"),
        ("flood", "answered 429"),
    ],
)
def test_customers_are_served_during_an_attack(attacked: Gateway, name: str, sign: str) -> None:
    seen = attacked.trial(name)
    print(report([seen]))  # noqa: T201 - shown when it fails
    assert seen.attacker.get(sign, 0) > 0, dict(seen.attacker)
    assert len(seen.customers.milliseconds) == SECONDS * 60
    assert seen.customers.failures == []
    assert seen.customers.quantile(0.99) < 3000, "generous, because the machine may be busy"
    assert seen.memory["gateway"] < HEAP / 1e6 + 150
    after = asyncio.run(customers(f"http://{HOST}:{attacked.port}", attacked.tokens, 1))
    assert after.failures == []


def test_idle_connections_are_closed_when_memory_becomes_scarce(tmp_path: Path) -> None:
    """The attacker reconnects at once, so memory stays full but does not grow; afterwards the gateway recovers."""
    with started(tmp_path, heap=100 << 20) as gateway:
        before = gateway.memory()["gateway"]
        tally: dict[str, int] = {}
        with attack("idle", gateway.port, gateway.thief, tally):
            time.sleep(12)
            assert gateway.memory()["gateway"] < before + 250
        assert tally["closed by the gateway"] > 1000
        time.sleep(3)
        assert asyncio.run(customers(f"http://{HOST}:{gateway.port}", gateway.tokens, 1)).failures == []


def test_a_flood_gets_its_limit_and_no_more(tmp_path: Path) -> None:
    """The flood is as fast as the machine, which needs to send a few hundred requests."""
    once = Limits(reads=Rate(1, 40), writes=Rate(1, 20))
    tally: dict[str, int] = {}
    with started(tmp_path, HEAP, once) as gateway, attack("flood", gateway.port, gateway.thief, tally):
        served = asyncio.run(customers(f"http://{HOST}:{gateway.port}", gateway.tokens, SECONDS))
    assert tally["answered 200"] == once.reads.burst + once.writes.burst
    assert tally["answered 429"] > tally["answered 200"]
    assert served.failures == []


def test_customers_who_fail_are_counted(attacked: Gateway) -> None:
    """Otherwise a trial without failures would prove nothing."""
    broken = asyncio.run(customers(f"http://{HOST}:{attacked.port}", {"ana": "x.y.z"}, 0.5))
    assert broken.failures == ["401"] * 30
    nobody = asyncio.run(customers(f"http://{HOST}:{Ports.free().gateway}", {"ana": "x"}, 0.1))
    assert set(nobody.failures) == {"ClientConnectorError"}


def test_the_report_shows_each_trial() -> None:
    one = Trial("idle", Experience([1.0] * 98 + [50.0, 60.0], ["503"]), {"answers": 3}, {"gateway": 80.4})
    text = report([one])
    for cell in ("| idle", " 100 ", " 1 ", "1.0", "answers: 3", "80"):
        assert cell in text
