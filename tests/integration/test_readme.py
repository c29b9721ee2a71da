"""The commands of the README, the start pages and the tour work as written, and the programs of the how-tos too."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import libyaml
import pytest
from shop import conferir

from local_system import System

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "make up\n": "the fixture has started the system",
    "make conferir\n": "each test of a start page ends with the same audit",
}
"""Commands of the start pages that are not run, and why."""


def run(system: System, commands: str) -> str:
    """The output of these shell commands, on this system instead of the one that `make up` starts."""
    script = "set -eu\n" + commands
    script = script.replace("http://127.0.0.1:8080", system.gateway_url)
    script = script.replace("$PWD/.local/kubeconfig", str(system.kubeconfig))
    path = f"{system.kubectl_path.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "RESERVA_URL": system.gateway_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(document: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", document, re.M | re.S))


@pytest.mark.parametrize("readme", ["README.md", "README.pt-BR.md"])
def test_the_order_of_the_readme_works(system: System, readme: str):
    printed = run(system, commands((ROOT / readme).read_text().split("\n## ")[1]))
    for expected in ('"EstoqueReservado"', "SYNCED", "camiseta-azul-m"):
        assert expected in printed, printed


def test_the_tour_works(system: System):
    printed = run(system, commands((ROOT / "docs/tour.md").read_text()))
    answers = ('"EstoqueReservado"', '"SkuDesconhecido"', '"Fechado"', "exit code 3")
    for expected in (*answers, "SYNCED", "lowStockThreshold"):
        assert expected in printed, printed


@pytest.mark.parametrize(("page", "sku"), [("start.md", "CANECA-PRETA"), ("start.pt-BR.md", "CANECA-BRANCA")])
async def test_the_start_page_works(system: System, page: str, sku: str):
    """Each page with a SKU of its own, so that both begin with ten units."""
    script = commands((ROOT / "docs" / page).read_text())
    for command in ELSEWHERE:
        assert command in script
        script = script.replace(command, "")
    printed = run(system, script.replace("CANECA-PRETA", sku).replace("caneca-preta", sku.lower()))
    balance = '"quantidade":10,"reservado":2,"vendido":1,"disponivel":7'
    for expected in ('"EstoqueReservado"', '"SaldoInsuficiente"', "exit code 3", '"Fechado"', balance, "patched"):
        assert expected in printed, printed
    await conferir(system)


def programs(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)


@contextmanager
def running(system: System, program: str, **env: str) -> "Iterator[subprocess.Popen[str]]":
    """One of these programs, on this system."""
    argv = [sys.executable, "-c", program.replace("http://127.0.0.1:8080", system.gateway_url)]
    with subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def line_of(program: "subprocess.Popen[str]", seconds: float) -> str:
    """A line that it prints within this time; empty if it prints none."""
    assert program.stdout is not None
    ready, _, _ = select.select([program.stdout], [], [], seconds)
    return program.stdout.readline() if ready else ""


@pytest.fixture
def shirts(system: System) -> None:
    system.kubectl("apply", f"--filename={ROOT / 'k8s/samples'}")
    system.kubectl("wait", "--for=condition=Synced", "stockitem/camiseta-azul-m", "--timeout=30s")


@pytest.mark.parametrize(
    ("page", "number", "prints"),
    [
        ("howto/connect-your-shop.md", 0, "pay until 20"),
        ("howto/connect-your-shop.md", 1, "deliver"),
        ("howto/connect-your-shop.md", 2, ""),
        ("howto/consume-events.md", 0, "1 EstoqueReservado"),
    ],
)
def test_a_program_of_the_how_tos_works(system: System, shirts: None, page: str, number: int, prints: str):
    with running(system, programs(page)[number]) as started:
        printed, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert prints in printed


def test_the_program_of_the_client_page_works(system: System, shirts: None):
    (program,) = programs("client.md")
    program = "read_token = None\n" + program.replace("https://loja.example", system.gateway_url)
    with running(system, program, PYTHONUNBUFFERED="1") as started:
        for _ in range(30):  # balances that change before the stream is open are not shown
            run(system, "reserva pedir CAMISETA-AZUL-M=1 --cliente ana --esperar")
            if line := line_of(started, seconds=1):
                break
    assert line.startswith("Saldo(")


def test_every_program_of_the_how_tos_is_run():
    assert [len(programs(f"howto/{page.name}")) for page in sorted((ROOT / "docs/howto").glob("co*.md"))] == [3, 2]
    assert not [page for page in (ROOT / "docs/howto").glob("[!c]*.md") if programs(f"howto/{page.name}")]


def test_the_program_with_a_queue_of_its_own_works(system: System, shirts: None):
    """The user has the permissions that the page prints, and no others."""
    text = (ROOT / "docs/howto/consume-events.md").read_text()
    (manifest,) = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    with httpx.Client(base_url=system.rabbitmq_management_url, trust_env=False) as management:
        management.put("/api/users/loja", json={"password": "secret", "tags": ""}).raise_for_status()
        permissions = libyaml.load(manifest)["spec"]["permissions"]
        management.put("/api/permissions/reservaestoque/loja", json=permissions).raise_for_status()
        address = urlsplit(system.amqp_url)
        url = f"amqp://loja:secret@{address.hostname}:{address.port}{address.path}"
        try:
            with running(system, programs("howto/consume-events.md")[1], AMQP_URL=url) as consumer:
                wait_until_bound(management)
                run(system, "reserva pedir CAMISETA-AZUL-M=1 --cliente ana --esperar")
                assert line_of(consumer, seconds=30).endswith(" 1 EstoqueReservado\n")
        finally:
            management.delete("/api/queues/reservaestoque/loja.pedidos")
            management.delete("/api/users/loja").raise_for_status()


def wait_until_bound(management: httpx.Client) -> None:
    for _ in range(300):
        bindings = management.get("/api/queues/reservaestoque/loja.pedidos/bindings")
        if bindings.is_success and any(binding["source"] == "estoque" for binding in bindings.json()):
            return
        time.sleep(0.1)
    raise AssertionError("the queue is not bound")
