import asyncpg
import pytest

from operador.sincronizador import sincronizar

from .fabrica import item, saldo


class Banco:
    """Refuses every batch in which a bad item is."""

    def __init__(self, ruins=(), falta=asyncpg.CheckViolationError):
        self.ruins, self.falta, self.chamadas = set(ruins), falta, 0

    async def sincronizar(self, itens):
        self.chamadas += 1
        if self.ruins & {i.sku for i in itens}:
            raise self.falta("no")
        return {(i.chave.dono, i.sku): saldo(sku=i.sku) for i in itens}


async def test_a_batch_is_one_call():
    banco = Banco()
    resultado = await sincronizar(banco, [item(sku=str(n)) for n in range(500)])
    assert (banco.chamadas, len(resultado.feitos), resultado.recusados) == (1, 500, [])


async def test_a_refused_item_does_not_hold_up_its_neighbours():
    banco = Banco({"3", "60"})
    resultado = await sincronizar(banco, [item(sku=str(n)) for n in range(100)])
    assert {i.sku for i, _ in resultado.recusados} == {"3", "60"}
    assert len(resultado.feitos) == 98
    assert banco.chamadas < 40


async def test_an_outage_is_nobody_s_fault():
    with pytest.raises(asyncpg.CannotConnectNowError):
        await sincronizar(Banco({"1"}, asyncpg.CannotConnectNowError), [item(sku=str(n)) for n in range(4)])


async def test_nothing_to_do_calls_nobody():
    banco = Banco()
    assert (await sincronizar(banco, [])).feitos == []
    assert banco.chamadas == 0


async def test_an_item_whose_row_is_held_does_not_hold_up_its_neighbours():
    banco = Banco({"3"}, asyncpg.LockNotAvailableError)
    resultado = await sincronizar(banco, [item(sku=str(n)) for n in range(100)])
    assert [i.sku for i in resultado.blocked] == ["3"]
    assert len(resultado.feitos) == 99


async def test_when_all_rows_are_held_not_each_is_tried():
    """Each try costs the time of a lock."""
    skus = {str(n) for n in range(500)}
    banco = Banco(skus, asyncpg.LockNotAvailableError)
    resultado = await sincronizar(banco, [item(sku=sku) for sku in skus])
    assert len(resultado.blocked) == 500
    assert banco.chamadas < 40
