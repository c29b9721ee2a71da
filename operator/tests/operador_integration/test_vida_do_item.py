"""What a shop sees of a StockItem from its first apply on."""

import time

import pytest

pytestmark = pytest.mark.integration


def test_an_applied_item_is_synced_within_two_seconds(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.numeros(nome), (10, 0, 0, 10), segundos=2)
    status = mundo.status(nome)
    assert status["sku"] == nome
    assert status["observedGeneration"] == 1
    assert mundo.condicao(nome, "Synced")["status"] == "True"
    assert mundo.motivo(nome, "Available") == "InStock"
    assert mundo.ler(nome)["metadata"]["finalizers"] == ["reservaestoque.dev/estoque"]
    ate(lambda: mundo.eventos(nome), ["Claimed"], segundos=2)


def test_kopf_leaves_no_trace_of_its_own(mundo, nome, ate):
    mundo.aplicar(nome, quantity=1)
    ate(lambda: mundo.motivo(nome), "Synced")
    anotacoes = mundo.ler(nome)["metadata"]["annotations"]
    assert list(anotacoes) == ["kubectl.kubernetes.io/last-applied-configuration"]


def test_kubectl_wait_and_get_serve_people(mundo, nome):
    mundo.aplicar(nome, sku=nome.upper(), quantity=7)
    mundo.kubectl("wait", "--for=condition=Synced", f"stockitem/{nome}", "--timeout=5s")
    cabecalho, linha = mundo.kubectl("get", "si", nome).splitlines()
    assert cabecalho.split() == ["NAME", "SKU", "QUANTITY", "AVAILABLE", "RESERVED", "SOLD", "SYNCED"]
    assert linha.split() == [nome, nome.upper(), "7", "7", "0", "0", "True"]
    assert "Synced" in mundo.kubectl("get", "reservaestoque", "--output=wide")


def test_restocking_raises_what_is_available(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.status(nome).get("available"), 10)
    mundo.aplicar(nome, quantity=25)
    ate(lambda: mundo.numeros(nome), (25, 0, 0, 25), segundos=2)
    assert mundo.status(nome)["observedGeneration"] == 2


def test_reservations_and_sales_reach_the_status_within_two_seconds(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 4)
    ate(lambda: mundo.numeros(nome), (6, 4, 0, 10), segundos=2)
    mundo.fechar(pedido)
    ate(lambda: mundo.numeros(nome), (6, 0, 4, 6), segundos=4)


def test_lowering_below_what_is_committed_takes_effect_with_each_release(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    primeiro, segundo = mundo.reservar(nome, 3), mundo.reservar(nome, 4)
    mundo.aplicar(nome, quantity=2)
    ate(lambda: mundo.motivo(nome), "BelowCommitted")
    assert "spec.quantity is 2, but 7 are committed (7 reserved, 0 sold)" in mundo.condicao(nome)["message"]
    assert mundo.status(nome)["quantity"] == 7
    mundo.cancelar(primeiro)
    ate(lambda: mundo.status(nome)["quantity"], 4)
    mundo.cancelar(segundo)
    ate(lambda: mundo.motivo(nome), "Synced")
    assert mundo.numeros(nome) == (2, 0, 0, 2)
    assert "BelowCommitted" in mundo.eventos(nome)


def test_a_paused_item_offers_nothing_and_comes_back(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10, paused=True)
    ate(lambda: mundo.motivo(nome, "Available"), "Paused")
    assert mundo.linha(nome, "situacao") == "Pausado"
    mundo.aplicar(nome, quantity=10, paused=False)
    ate(lambda: mundo.motivo(nome, "Available"), "InStock")


def test_low_and_exhausted_stock_is_announced(mundo, nome, ate):
    mundo.aplicar(nome, quantity=3, lowStockThreshold=1)
    ate(lambda: mundo.condicao(nome, "LowStock").get("status"), "False")
    mundo.reservar(nome, 2)
    ate(lambda: mundo.condicao(nome, "LowStock")["status"], "True")
    mundo.reservar(nome, 1)
    ate(lambda: mundo.motivo(nome, "Available"), "OutOfStock")
    ate(lambda: sorted(mundo.eventos(nome)), ["Claimed", "LowStock", "OutOfStock"], segundos=2)


def test_a_lapsed_reservation_is_swept_and_the_units_are_back(mundo, nome, ate):
    mundo.aplicar(nome, quantity=5)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 5, ttl=2)
    ate(lambda: mundo.numeros(nome), (0, 5, 0, 5), segundos=2)
    ate(lambda: mundo.pedido(pedido), "ReservaExpirada", segundos=5)
    ate(lambda: mundo.numeros(nome), (5, 0, 0, 5), segundos=2)
    assert mundo.fato(pedido) == "ReservaExpirada"


def test_a_thousand_items_in_one_apply_are_synced(mundo, nome, ate):
    mundo.aplicar_muitos(nome, 1000)
    ate(lambda: mundo.sincronizados(nome), 1000, segundos=60)
    assert mundo.linhas(nome) == 1000
    assert mundo.numeros(f"{nome}-999") == (1000, 0, 0, 1000)
    mundo.apagar_muitos(nome)
    ate(lambda: mundo.versoes(nome), {}, segundos=60)


def test_a_thousand_items_that_wait_are_synced_in_few_statements(mundo, nome, ate):
    mundo.sistema.stop("operator")
    mundo.aplicar_muitos(nome, 1000)
    mundo.sistema.start("operator")
    ate(lambda: mundo.sincronizados(nome), 1000, segundos=60)
    assert mundo.chamadas() < 50, "many items go to PostgreSQL in one call"
    mundo.apagar_muitos(nome)
    ate(lambda: mundo.versoes(nome), {}, segundos=60)


def test_a_busy_item_costs_the_api_server_a_write_every_few_seconds(mundo, nome, ate):
    mundo.aplicar(nome, quantity=1000)
    ate(lambda: mundo.motivo(nome), "Synced")
    vistas = set()
    fim = time.monotonic() + 9
    while time.monotonic() < fim:
        mundo.reservar(nome, 1)
        vistas.add(mundo.ler(nome)["metadata"]["resourceVersion"])
    reservado = int(mundo.linha(nome, "reservado"))
    assert reservado > 2 * len(vistas)
    assert len(vistas) <= 7, "the first version, three at once, then one every three seconds"
    ate(lambda: mundo.status(nome)["reserved"], reservado)
