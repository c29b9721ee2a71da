"""The expiry loop against a real PostgreSQL."""

import time

import pytest

pytestmark = pytest.mark.integration

ATRASO = "operador_expiracao_atraso_seconds"


def test_ten_thousand_reservations_that_lapse_within_a_second_are_swept_within_ten(mundo, nome, ate):
    mundo.aplicar_lista([mundo.manifesto(f"{nome}-{n}", quantity=2000) for n in range(10)])
    ate(lambda: mundo.sincronizados(nome), 10)
    mundo.reservar_muitas(nome, 10_000, itens=10, ttl=2)
    assert mundo.vivas(nome) == 10_000
    time.sleep(3)  # now the last one has lapsed
    ate(lambda: mundo.vivas(nome), 0, segundos=10)
    assert mundo.fatos(nome) == 10_000, "estoque's outbox tells of each, once"
    ate(lambda: {mundo.numeros(f"{nome}-{n}") for n in range(10)}, {(2000, 0, 0, 2000)})


def test_the_lag_shows_a_sweep_that_does_not_come(mundo, nome, ate, abrir_operador):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    outro = abrir_operador(EXPIRY_INTERVAL="1s")
    ate(lambda: outro.saude("ready")[0], 200)
    ate(lambda: outro.metrica(ATRASO) < 3, True)
    mundo.sistema.stop("operator")
    try:
        pedido = mundo.reservar(nome, 1, ttl=0.5)
        with mundo.tranca(pedido):
            ate(lambda: outro.metrica(ATRASO) > 3, True)
            assert mundo.pedido(pedido) == "EstoqueReservado"
        ate(lambda: mundo.pedido(pedido), "ReservaExpirada", segundos=4)
        ate(lambda: outro.metrica(ATRASO) < 3, True)
        mundo.sistema.stop("postgres-estoque")
        try:
            ate(lambda: outro.metrica(ATRASO) > 4, True)
        finally:
            mundo.sistema.start("postgres-estoque")
        ate(lambda: outro.metrica(ATRASO) < 3, True, segundos=15)
    finally:
        mundo.sistema.start("operator")
