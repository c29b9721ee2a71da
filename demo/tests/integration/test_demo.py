"""The demonstration as people start it, on a separate system."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from local_system import Ports

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    ports = {f"{name.upper()}_PORT": str(port) for name, port in asdict(Ports.free()).items()}
    environ = {**os.environ, **ports, "LOCAL_DIR": str(tmp_path_factory.mktemp("demo")), "LC_ALL": "C.UTF-8"}
    environ.pop("GATEWAY", None)
    yield environ
    subprocess.run([sys.executable, "-m", "local_system", "clean"], env=environ, check=True, capture_output=True)


def demo(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "demo", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=400)


def test_a_sale_survives_the_kill_of_every_part(environ: dict[str, str]):
    done = demo(environ, "--fast", "--seed", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("gateway", "pedidos-1", "estoque-1", "operator", "conferir"):
        assert f"{part} is killed" in done.stdout
        assert re.search(rf"{part} is back after \d+\.\d s", done.stdout)
    for line in (
        "RabbitMQ is restarted",
        "40 more units of DEMO-TENIS-CORRIDA",
        "no violations",
        "All checks passed.",
    ):
        assert line in done.stdout
    for label in ("units oversold", "orders lost", "duplicate orders", "shoppers without an answer"):
        assert re.search(rf"{label} +0 ", done.stdout)
    [sold] = re.findall(r"units sold +(\d+) in", done.stdout)
    assert 100 < int(sold) <= 200


def test_an_interrupted_sale_leaves_a_running_system(environ: dict[str, str]):
    argv = [sys.executable, "-u", "-m", "demo", "--fast", "--seed", "13"]
    with subprocess.Popen(
        argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as sale:
        assert sale.stdout is not None
        assert any("RabbitMQ is restarted" in line for line in sale.stdout)
        os.killpg(sale.pid, signal.SIGINT)  # as a terminal does
        out, err = sale.communicate(timeout=120)
    assert (sale.returncode, err) == (130, "interrupted; what was stopped is being started again\n")
    assert "keeps running, with reservations of 5 s" in out
    argv = [sys.executable, "-m", "local_system", "status"]
    status = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in status.splitlines()[1:]} == {"RUNNING"}


def test_another_sale_in_portuguese_succeeds(environ: dict[str, str]):
    done = demo(environ, "--fast", "--seed", "12", "--shoppers", "60", "--idioma", "pt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tudo certo." in done.stdout


def test_a_gateway_without_kubeconfig_sells_only_what_was_declared_for_it(environ: dict[str, str], tmp_path: Path):
    """No part is killed then, and no other SKU is touched."""
    url = f"http://127.0.0.1:{environ['GATEWAY_PORT']}"
    environ = {name: value for name, value in environ.items() if name != "KUBECONFIG"}
    done = demo(environ, "--fast", "--shoppers", "60", "--gateway", url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is killed" not in done.stdout
    assert "without KUBECONFIG" in re.sub(r"[\s│]+", " ", done.stdout)
    nobody = demo(environ, "--gateway", "http://127.0.0.1:1", "--fast", "--shoppers", "1")
    assert nobody.returncode == 2
    manifest = demo(environ, "--manifest")
    assert manifest.stdout.count('"StockItem"') == 10
