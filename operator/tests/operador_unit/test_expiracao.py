import asyncio

import asyncpg
import pytest

from operador.expiracao import LIMITE, expirar_sempre, varrer


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


async def test_it_sweeps_until_a_batch_is_not_full():
    banco, batidas = Banco(LIMITE, LIMITE, 7), []
    assert await varrer(banco, lambda: batidas.append(1)) == 2 * LIMITE + 7
    assert (banco.chamadas, len(batidas)) == (3, 3)


async def test_it_goes_on_after_an_outage():
    banco = Banco(ConnectionRefusedError(), asyncpg.AdminShutdownError(), 3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await expirar_sempre(banco, 0.05, lambda: None)
    assert banco.chamadas > 3


async def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(asyncpg.CheckViolationError):
        await expirar_sempre(Banco(asyncpg.CheckViolationError()), 0.05, lambda: None)
