"""What the operator relies on in a real API server."""

import pytest

from local_system.kubernetes import operator_kubeconfig
from operador.kubernetes import ItemMudouError, ItemSumiuError, abrir
from operador.stockitem import Status, ler_item

pytestmark = pytest.mark.integration


@pytest.fixture
def kubeconfig(sistema):
    return str(operator_kubeconfig(sistema.layout))


async def test_a_write_that_crosses_a_change_is_refused(mundo, nome, ate, kubeconfig):
    mundo.aplicar(nome, quantity=1)
    ate(lambda: mundo.motivo(nome), "Synced")
    velho = ler_item(mundo.ler(nome))
    mundo.aplicar(nome, quantity=2)
    async with abrir("", kubeconfig) as api:
        with pytest.raises(ItemMudouError):
            await api.escrever_status(velho, Status(nome, 1, ()), "2026-11-24T12:00:00Z")
        with pytest.raises(ItemMudouError):
            await api.mudar_finalizadores(velho, ())


async def test_a_successor_of_the_same_name_is_not_written_to(mundo, nome, ate, kubeconfig):
    mundo.aplicar(nome, quantity=1)
    ate(lambda: mundo.motivo(nome), "Synced")
    velho = ler_item(mundo.ler(nome))
    mundo.apagar(nome)
    ate(lambda: mundo.ler(nome), None)
    async with abrir("", kubeconfig) as api:
        with pytest.raises(ItemSumiuError):
            await api.escrever_status(velho, Status(nome, 1, ()), "2026-11-24T12:00:00Z")
    mundo.aplicar(nome, quantity=1)
    async with abrir("", kubeconfig) as api:
        with pytest.raises(ItemMudouError):
            await api.escrever_status(velho, Status(nome, 1, ()), "2026-11-24T12:00:00Z")


async def test_all_items_are_listed(mundo, nome, kubeconfig):
    mundo.aplicar(nome, quantity=1)
    async with abrir("default", kubeconfig) as api:
        paginas = [pagina async for pagina in api.paginas()]
        nomes = {corpo["metadata"]["name"] for objetos, _ in paginas for corpo in objetos}
        assert nome in nomes


async def test_a_list_may_be_no_older_than_a_version(mundo, nome, kubeconfig):
    for numero in range(3):
        mundo.aplicar(f"{nome}-{numero}", quantity=1)
    versao = int(mundo.ler(f"{nome}-2")["metadata"]["resourceVersion"])
    async with abrir("default", kubeconfig) as api:
        paginas = [pagina async for pagina in api.paginas(1, nao_antes_de=versao)]
    nomes = {corpo["metadata"]["name"] for objetos, _ in paginas for corpo in objetos}
    assert nomes >= {f"{nome}-{numero}" for numero in range(3)}
    assert len(paginas) >= 3, "in pages, also from memory"
    assert {de_quando >= versao for _, de_quando in paginas} == {True}
