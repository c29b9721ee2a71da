import asyncio

import asyncpg
import pytest
from prometheus_client import REGISTRY

from operador import expiracao as modulo
from operador.expiracao import LIMITE, PAUSA, Atraso, Expiracao

from .fabrica import Relogio


class Banco:
    """Gives these answers one after the other, then zeros."""

    def __init__(self, *respostas):
        self.respostas, self.chamadas = list(respostas), 0

    async def expirar(self, limite):
        assert limite == LIMITE
        self.chamadas += 1
        resposta = self.respostas.pop(0) if self.respostas else 0
        if isinstance(resposta, Exception):
            raise resposta
        return resposta

    async def atraso(self):
        return 0.0


def expiracao(banco, bater=lambda: None):
    return Expiracao(banco, Atraso(Relogio()), bater)


async def test_it_sweeps_until_a_batch_is_not_full():
    banco, batidas = Banco(LIMITE, LIMITE, 7), []
    assert await expiracao(banco, lambda: batidas.append(1)).varrer() == 2 * LIMITE + 7
    assert (banco.chamadas, len(batidas)) == (3, 3)


async def test_a_million_leave_room_for_orders_and_are_swept_in_five_minutes(monkeypatch):
    pausas = []

    async def anotar(segundos):
        pausas.append(segundos)

    monkeypatch.setattr(modulo.asyncio, "sleep", anotar)
    assert await expiracao(Banco(*[LIMITE] * 2000)).varrer() == 1_000_000
    assert pausas == [PAUSA] * 2000
    uma_varredura = 0.04  # with orders beside it, on two cores
    assert 100 < 2000 * PAUSA < 300 - 2000 * uma_varredura


async def test_it_goes_on_after_an_outage():
    banco = Banco(ConnectionRefusedError(), asyncpg.AdminShutdownError(), 3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await expiracao(banco).rodar(0.05)
    assert banco.chamadas > 3


async def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(asyncpg.CheckViolationError):
        await expiracao(Banco(asyncpg.CheckViolationError())).rodar(0.05)


async def test_the_lag_is_what_was_seen_and_grows_while_nothing_can_be_seen():
    relogio = Relogio()
    atraso = Atraso(relogio)
    relogio.agora += 2
    assert atraso.segundos() == 2, "counted from the start: nobody has looked yet"
    atraso.medido(7.5)
    assert atraso.segundos() == 7.5
    relogio.agora += 30
    assert atraso.segundos() == 37.5
    atraso.medido(0)
    assert atraso.segundos() == 0


async def test_the_lag_is_a_metric():
    relogio = Relogio()
    await Expiracao(Banco(LIMITE, LIMITE, 3), Atraso(relogio), lambda: None).varrer()
    assert REGISTRY.get_sample_value("operador_expiracao_atraso_seconds") == 0
    relogio.agora += 4
    assert REGISTRY.get_sample_value("operador_expiracao_atraso_seconds") == 4
