"""What the load says of its answers: a failure is one, and recovery is when orders are decided again for good."""

import asyncio

import httpx
import pytest
from carga import Carga, Resposta


def carga(*respostas: Resposta) -> Carga:
    uma = Carga("http://gateway", ["A"], por_segundo=1)
    uma.respostas = list(respostas)
    return uma


def pedido(inicio: float, codigo: int) -> Resposta:
    corpo = {"pedidoId": f"p{inicio:.0f}"} if codigo in (201, 202) else {}
    return Resposta("POST /pedidos", inicio, inicio + 0.5, codigo, corpo)


def test_without_a_bad_answer_there_is_nothing_to_recover_from():
    assert carga(pedido(1, 201), pedido(3, 201)).recuperacao(desde=2) == 0


@pytest.mark.parametrize("ruim", [503, 0, 202])
def test_recovery_lasts_until_the_first_decision_after_the_last_bad_answer(ruim: int):
    respostas = carga(pedido(3, ruim), pedido(4, 201), pedido(5, ruim), pedido(7, 201), pedido(8, 201))
    assert respostas.recuperacao(desde=2) == 5.5


def test_without_a_decision_since_it_has_not_recovered():
    assert carga(pedido(3, 201), pedido(4, 503)).recuperacao(desde=2) == float("inf")


def test_what_was_not_answered_2xx_has_failed_and_only_the_rest_was_accepted():
    respostas = carga(pedido(1, 201), pedido(2, 202), pedido(3, 503), pedido(4, 0))
    assert [r.codigo for r in respostas.falhas] == [503, 0]
    assert respostas.aceitos == {"p1", "p2"}


async def test_a_refused_connection_is_an_answer_that_failed(unused_tcp_port: int):
    async with Carga(f"http://127.0.0.1:{unused_tcp_port}", ["A"], por_segundo=50) as uma:
        await asyncio.sleep(0.2)
    assert uma.falhas
    assert {r.codigo for r in uma.falhas} == {0}
    assert httpx.ConnectError.__name__ in uma.resumo()
