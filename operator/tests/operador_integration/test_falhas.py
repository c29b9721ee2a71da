"""What happens when parts fail, and when there are two of the operator."""

import os
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest

from .conftest import manifesto

pytestmark = pytest.mark.integration


@pytest.fixture
def segundo(abrir_operador):
    """A second operator beside the first."""
    return abrir_operador()


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


def test_an_operator_killed_in_the_middle_of_a_thousand_items_finishes_them(mundo, nome, ate):
    mundo.aplicar_muitos(nome, 1000, espera=False)
    ate(lambda: 0 < mundo.sincronizados(nome) < 1000, True)
    mundo.sistema.kill("operator")
    feitos = mundo.sincronizados(nome)
    assert feitos < 1000, "it was killed in the middle"
    ate(lambda: mundo.sincronizados(nome), 1000, segundos=60)
    ate(lambda: mundo.linhas(nome), 1000, segundos=1)
    mundo.apagar_muitos(nome)
    ate(lambda: mundo.versoes(nome), {}, segundos=60)
    assert mundo.linhas(nome) == 0, "all were given up"


def test_an_item_that_postgresql_refuses_says_so_and_holds_up_nobody(mundo, nome, ate):
    with mundo.regra_do_banco("sem_proibidos", "nome <> 'proibido'"):
        itens = [manifesto(f"{nome}-{n}", quantity=1, **({"name": "proibido"} if n == 7 else {})) for n in range(20)]
        mundo.aplicar_lista(itens)
        ate(lambda: mundo.sincronizados(nome), 19)
        ate(lambda: mundo.motivo(f"{nome}-7"), "Rejected")
        assert "sem_proibidos" in mundo.condicao(f"{nome}-7")["message"]
        ate(lambda: mundo.eventos(f"{nome}-7"), ["Rejected"])
        mundo.aplicar(f"{nome}-7", name="permitido", quantity=1)
        ate(lambda: mundo.motivo(f"{nome}-7"), "Synced")


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
    inicio = time.monotonic()
    try:
        mundo.aplicar(nome, quantity=20)
        mundo.aplicar(f"{nome}-novo", quantity=5)
        ate(lambda: mundo.motivo(nome), "DatabaseUnavailable")
        ate(lambda: mundo.motivo(f"{nome}-novo"), "DatabaseUnavailable")
        assert mundo.status(nome)["available"] == 10, "what was known stays"
        versoes = mundo.versoes(nome)
        time.sleep(4)
        assert mundo.versoes(nome) == versoes, "an outage is written once"
        saude = f"{mundo.sistema.program_url('operator')}/health"
        assert httpx.get(f"{saude}/ready").status_code == 503
        assert "the database does not answer" in httpx.get(f"{saude}/ready").text
        time.sleep(max(0, 20 - (time.monotonic() - inicio)))
        assert httpx.get(f"{saude}/live").status_code == 200, "a restart would not bring the database back"
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
    assert segundo.processo.poll() is None


def test_a_killed_operator_costs_the_other_one_no_second_of_expiry(mundo, nome, ate, segundo):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    ate(lambda: segundo.saude("ready")[0], 200)
    mundo.sistema.stop("operator")
    try:
        terceiro = mundo.reservar(nome, 2, ttl=1)
        ate(lambda: mundo.pedido(terceiro), "ReservaExpirada", segundos=4)
    finally:
        mundo.sistema.start("operator")


def test_a_killed_operator_alone_costs_a_few_seconds_of_expiry(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 2, ttl=0.5)
    mundo.sistema.kill("operator")
    ate(lambda: mundo.pedido(pedido), "ReservaExpirada", segundos=8)
    mundo.sistema.wait_ready("operator")


def test_an_operator_that_is_killed_in_the_middle_of_a_sweep_leaves_nothing_half_done(mundo, nome, ate, segundo):
    mundo.aplicar(f"{nome}-0", quantity=5000)
    ate(lambda: mundo.motivo(f"{nome}-0"), "Synced")
    ate(lambda: segundo.saude("ready")[0], 200)
    mundo.reservar_muitas(nome, 5000, itens=1, ttl=1)
    ate(lambda: 0 < mundo.vivas(nome) < 5000, True, segundos=10)
    mundo.sistema.kill("operator")
    ate(lambda: mundo.vivas(nome), 0, segundos=10)
    ate(lambda: mundo.numeros(f"{nome}-0"), (5000, 0, 0, 5000))
    assert mundo.fatos(nome) == 5000, "each was told of once"
    mundo.sistema.wait_ready("operator")


def test_an_etcd_restored_from_a_backup_is_noticed_and_obeyed(mundo, nome, ate, tmp_path):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    dados = mundo.sistema.layout.state / "etcd"
    with mundo.sem_cluster():
        shutil.copytree(dados, tmp_path / "etcd")
    for n in range(30):
        mundo.aplicar(nome, quantity=50 + n)
    mundo.aplicar(f"{nome}-depois", quantity=5)
    ate(lambda: mundo.numeros(nome), (79, 0, 0, 79))
    ate(lambda: mundo.motivo(f"{nome}-depois"), "Synced")
    with mundo.sem_cluster():
        shutil.rmtree(dados)
        shutil.copytree(tmp_path / "etcd", dados)
    ate(lambda: mundo.linha(nome, "alvo"), "10", segundos=30)
    ate(lambda: mundo.numeros(nome), (10, 0, 0, 10), segundos=10)
    assert mundo.linha(f"{nome}-depois", "situacao, alvo") == "Ativo|5", "what the cluster lost stays sellable"
    mundo.tirar_linha(f"{nome}-depois")


def test_it_stops_on_sigterm_in_time(segundo):
    time.sleep(3)
    inicio = time.monotonic()
    segundo.processo.send_signal(signal.SIGTERM)
    assert segundo.processo.wait(10) == 0
    assert time.monotonic() - inicio < 10


def test_it_stops_in_time_though_the_api_server_hangs(mundo, nome, ate, segundo):
    time.sleep(3)
    api = mundo.sistema.states()["kube-apiserver"].pid
    os.kill(api, signal.SIGSTOP)
    try:
        segundo.processo.send_signal(signal.SIGTERM)
        segundo.processo.wait(10)
    finally:
        os.kill(api, signal.SIGCONT)
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")


def test_without_settings_it_says_what_is_missing():
    fim = subprocess.run([sys.executable, "-m", "operador"], env={}, capture_output=True, text=True, check=False)
    assert fim.returncode == 1
    assert "DATABASE_URL" in fim.stderr
