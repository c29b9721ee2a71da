"""What happens when parts fail, and when there are two of the operator."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from local_system.kubernetes import operator_kubeconfig
from local_system.ports import Ports

from .conftest import manifesto

pytestmark = pytest.mark.integration


@pytest.fixture
def segundo(sistema, tmp_path):
    """A second operator beside the first."""
    porta = Ports.free().operator
    ambiente = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": sistema.database_url("estoque", role="operador"),
        "KUBECONFIG": str(operator_kubeconfig(sistema.layout)),
        "PORT": str(porta),
        "RESYNC_INTERVAL": "3s",
    }
    with (tmp_path / "segundo.log").open("wb") as log:
        processo = subprocess.Popen([sys.executable, "-m", "operador"], env=ambiente, stderr=log)
        yield processo
        if processo.poll() is None:
            processo.kill()
        processo.wait()


def test_a_killed_operator_comes_back_and_rewrites_nothing_that_is_right(mundo, nome, ate):
    for n in range(20):
        mundo.aplicar(f"{nome}-{n}", quantity=n)
    ate(lambda: mundo.motivo(f"{nome}-19"), "Synced")
    time.sleep(1)
    antes = mundo.versoes(nome)
    mundo.sistema.kill("operator")
    mundo.sistema.wait_ready("operator")
    time.sleep(5)  # longer than a resync
    assert mundo.versoes(nome) == antes


def test_an_operator_killed_in_the_middle_of_a_large_apply_finishes_it(mundo, nome, ate):
    itens = [manifesto(f"{nome}-{n}", quantity=n) for n in range(300)]
    mundo.kubectl("create", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": itens}))
    mundo.sistema.kill("operator")
    ate(lambda: mundo.sincronizados(nome), 300, segundos=60)
    ate(lambda: mundo.linhas(nome), 300, segundos=1)
    mundo.kubectl("delete", "stockitem", *(i["metadata"]["name"] for i in itens), "--wait=false")
    ate(lambda: mundo.sincronizados(nome), 0, segundos=60)


def test_an_item_that_postgresql_refuses_says_so_and_holds_up_nobody(mundo, nome, ate):
    mundo.aplicar(nome, name="a\x00b", quantity=1)
    mundo.aplicar(f"{nome}-bom", quantity=1)
    ate(lambda: mundo.motivo(f"{nome}-bom"), "Synced")
    ate(lambda: mundo.motivo(nome), "Rejected")
    assert "0x00" in mundo.condicao(nome)["message"]
    mundo.aplicar(nome, name="sem bytes nulos", quantity=1)
    ate(lambda: mundo.motivo(nome), "Synced")


def test_changes_made_while_the_operator_was_down_are_caught_up(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    mundo.aplicar(f"{nome}-some", quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    ate(lambda: mundo.motivo(f"{nome}-some"), "Synced")
    mundo.sistema.stop("operator")
    mundo.aplicar(nome, quantity=30)
    mundo.apagar(f"{nome}-some")
    mundo.reservar(nome, 1)
    mundo.sistema.start("operator")
    ate(lambda: mundo.numeros(nome), (29, 1, 0, 30))
    ate(lambda: mundo.ler(f"{nome}-some"), None)


def test_a_database_that_is_away_is_told_and_heals_by_itself(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.sistema.stop("postgres-estoque")
    try:
        mundo.aplicar(nome, quantity=20)
        mundo.aplicar(f"{nome}-novo", quantity=5)
        ate(lambda: mundo.motivo(nome), "DatabaseUnavailable")
        ate(lambda: mundo.motivo(f"{nome}-novo"), "DatabaseUnavailable")
        assert mundo.status(nome)["available"] == 10, "what was known stays"
        versoes = mundo.versoes(nome)
        time.sleep(4)
        assert mundo.versoes(nome) == versoes, "an outage is written once"
    finally:
        mundo.sistema.start("postgres-estoque")
    ate(lambda: mundo.numeros(nome), (20, 0, 0, 20), segundos=15)
    ate(lambda: mundo.motivo(f"{nome}-novo"), "Synced", segundos=15)
    mundo.sistema.wait_ready("operator")


def test_an_api_server_that_restarts_loses_nothing(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 1, ttl=1)
    mundo.sistema.stop("kube-apiserver")
    try:
        ate(lambda: mundo.pedido(pedido), "ReservaExpirada", segundos=5)
        vivo = mundo.sistema.states()["operator"].pid
    finally:
        mundo.sistema.start("kube-apiserver")
    mundo.aplicar(nome, quantity=40)
    ate(lambda: mundo.numeros(nome), (40, 0, 0, 40), segundos=30)
    assert mundo.sistema.states()["operator"].pid == vivo, "the same process went on"


def test_two_operators_do_no_harm(mundo, nome, ate, segundo):
    for n in range(30):
        mundo.aplicar(f"{nome}-{n}", quantity=10)
    mundo.aplicar(f"{nome}-dobro", sku=f"{nome}-0", quantity=1)
    ate(lambda: mundo.motivo(f"{nome}-dobro"), "SkuConflict")
    for n in range(30):
        ate(lambda n=n: mundo.numeros(f"{nome}-{n}"), (10, 0, 0, 10))
    mundo.apagar(f"{nome}-0")
    ate(lambda: mundo.motivo(f"{nome}-dobro"), "Synced", segundos=5)
    time.sleep(4)
    antes = mundo.versoes(nome)
    time.sleep(5)
    assert mundo.versoes(nome) == antes, "they do not write against one another"
    assert segundo.poll() is None


def test_it_stops_on_sigterm_in_time(segundo):
    time.sleep(3)
    inicio = time.monotonic()
    segundo.send_signal(signal.SIGTERM)
    assert segundo.wait(10) == 0
    assert time.monotonic() - inicio < 10


def test_it_stops_in_time_though_the_api_server_hangs(mundo, nome, ate, segundo):
    time.sleep(3)
    api = mundo.sistema.states()["kube-apiserver"].pid
    os.kill(api, signal.SIGSTOP)
    try:
        segundo.send_signal(signal.SIGTERM)
        segundo.wait(10)
    finally:
        os.kill(api, signal.SIGCONT)
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")


def test_without_settings_it_says_what_is_missing():
    fim = subprocess.run([sys.executable, "-m", "operador"], env={}, capture_output=True, text=True, check=False)
    assert fim.returncode == 1
    assert "DATABASE_URL" in fim.stderr
