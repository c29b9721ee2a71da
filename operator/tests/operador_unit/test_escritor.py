import asyncio
import contextlib

import pytest

from operador.anunciante import Anunciante
from operador.conhecidos import Conhecidos
from operador.escritor import Escritor
from operador.fila import Fila
from operador.kubernetes import ItemMudouError, ItemSumiuError, KubernetesForaError
from operador.stockitem import Status

from .fabrica import Relogio, item


def status(n):
    return Status("CAMISETA", 3, (), disponivel=n)


class Api:
    """Takes statuses; fails the first times with what it is told."""

    def __init__(self, *faltas):
        self.faltas, self.escritos = list(faltas), []

    async def escrever_status(self, objeto, novo, agora):
        await asyncio.sleep(0)
        if self.faltas:
            raise self.faltas.pop(0)
        self.escritos.append(novo.disponivel)
        return 50


@pytest.fixture
async def montar():
    async with contextlib.AsyncExitStack() as pilha:

        async def com(api):
            conhecidos, fila = Conhecidos(), Fila(Relogio())
            conhecidos.ver(item(), status(0))
            escritor = Escritor(api, conhecidos, fila, Anunciante(api))
            trabalho = asyncio.create_task(escritor.trabalhar())
            pilha.callback(trabalho.cancel)
            return escritor, conhecidos, fila

        yield com


async def test_what_is_already_there_is_not_written(montar):
    api = Api()
    escritor, *_ = await montar(api)
    escritor.propor(item(), status(0))
    await asyncio.sleep(0.05)
    assert api.escritos == []


async def test_a_burst_costs_few_writes_and_ends_right(montar):
    api = Api()
    escritor, *_ = await montar(api)
    for n in range(1, 200):
        escritor.propor(item(), status(n))
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert api.escritos[0] == 1, "the first change is written at once"
    assert len(api.escritos) == 3, "the burst allows three"
    await asyncio.sleep(3.1)
    assert api.escritos[3:] == [199], "and the last one is written in the end"


async def test_a_change_taken_back_before_it_was_written_costs_nothing(montar):
    api = Api()
    escritor, *_ = await montar(api)
    escritor.propor(item(), status(1))
    escritor.propor(item(), status(0))
    await asyncio.sleep(0.05)
    assert api.escritos == []


async def test_a_failed_write_is_tried_again(montar):
    api = Api(KubernetesForaError("503"))
    escritor, conhecidos, _ = await montar(api)
    escritor.propor(item(), status(7))
    await asyncio.sleep(0.7)
    assert api.escritos == [7]
    assert conhecidos.obter(item().chave).status == status(7)


async def test_an_item_deleted_meanwhile_is_no_error(montar):
    api = Api(ItemSumiuError("404"))
    escritor, *_ = await montar(api)
    escritor.propor(item(), status(7))
    await asyncio.sleep(0.7)
    assert api.escritos == []


async def test_after_a_conflict_the_item_is_looked_at_again(montar):
    api = Api(ItemMudouError("409"))
    escritor, conhecidos, fila = await montar(api)
    escritor.propor(item(), status(7))
    await asyncio.sleep(0.05)
    assert (api.escritos, len(fila), fila.prontos) == ([], 1, 0), "soon, when the watch has brought what is there"
    assert conhecidos.obter(item().chave).status == status(0), "nothing was written"


async def test_a_proposal_for_another_object_of_the_name_is_dropped(montar):
    api = Api()
    escritor, *_ = await montar(api)
    escritor.propor(item(uid="uid-2"), status(7))
    await asyncio.sleep(0.05)
    assert api.escritos == []
