"""What the resync and the balances do with rows, held against doubles of the API server and of PostgreSQL."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from operador.conhecidos import Conhecidos
from operador.fila import Fila
from operador.kubernetes import ItemSumiuError
from operador.ressincronia import HistoriaVoltouError, Ressincronia
from operador.saldos import Saldos
from operador.stockitem import escrever_status, ler_item, ler_status

from .fabrica import AGORA, Relogio, saldo
from .test_condicoes import status as status_de

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Banco:
    """Rows, and how they are asked for."""

    def __init__(self, *linhas):
        self.linhas, self.instante, self.desdes = list(linhas), T0, []

    async def agora(self):
        self.instante += timedelta(seconds=1)
        return self.instante

    async def paginas(self):
        for linha in self.linhas:
            yield [linha]

    async def mudados(self, desde):
        self.desdes.append(desde)
        for linha in self.linhas:
            yield [linha]


class Kubernetes:
    def __init__(self, versao, *corpos):
        self.versao, self.corpos = versao, corpos
        self.desconhecida, self.pedidas = False, []

    @property
    def listas(self):
        return len(self.pedidas)

    async def sondar(self):
        if self.desconhecida:
            raise ItemSumiuError("404")

    async def paginas(self, *, nao_antes_de):
        self.pedidas.append(nao_antes_de)
        yield list(self.corpos), self.versao


class Escritor:
    def __init__(self):
        self.propostas = []

    def propor(self, item, status):
        self.propostas.append((item.sku, status.disponivel))


class Conflitos:
    def __init__(self):
        self.acordados = []

    def acordar(self, sku):
        self.acordados.append(sku)


def corpo(nome="camiseta", *, geracao=1, vista=1, versao="10", **meta):
    """A StockItem of which generation `vista` has been synchronised."""
    spec = {"sku": nome.upper(), "name": "Camiseta", "quantity": 100}
    metadados = {
        "namespace": "loja",
        "name": nome,
        "uid": f"uid-{nome}",
        "resourceVersion": versao,
        "generation": geracao,
        "finalizers": ["reservaestoque.dev/estoque"],
        **meta,
    }
    objeto = {"metadata": metadados, "spec": spec}
    if vista:
        item = ler_item({**objeto, "metadata": {**metadados, "generation": vista}})
        visto = status_de(item, saldo(sku=item.sku, dono=f"loja/{nome}"))
        objeto["status"] = escrever_status(visto, AGORA)
    return objeto


class Mundo:
    def __init__(self, kubernetes, banco, *, vigiada=True):
        self.conhecidos, self.fila, self.escritor = Conhecidos(), Fila(Relogio()), Escritor()
        self.conflitos, self.banco = Conflitos(), banco
        self.saldos = Saldos(
            banco=banco,
            conhecidos=self.conhecidos,
            conflitos=self.conflitos,
            fila=self.fila,
            escritor=self.escritor,
        )
        self.ressincronia = Ressincronia(
            kubernetes=kubernetes,
            banco=banco,
            conhecidos=self.conhecidos,
            fila=self.fila,
            saldos=self.saldos,
            namespace="",
        )
        if vigiada:
            self.ressincronia.vigiar(40)

    async def ressincronizar(self, segundos=0.05, intervalo=60.0):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(segundos):
                await self.ressincronia.rodar(intervalo, lambda: None)

    async def esperando(self):
        if not self.fila.prontos:
            return []
        return sorted(item.sku for item in await self.fila.tomar(100, 0.1))


CAMISETA = saldo(sku="CAMISETA", dono="loja/camiseta")
TABELA = [
    ("as it should be", corpo(), [CAMISETA], []),
    ("new", corpo(vista=0), [], ["CAMISETA"]),
    ("a new spec", corpo(geracao=2), [CAMISETA], ["CAMISETA"]),
    ("no row", corpo(), [], ["CAMISETA"]),
    ("a row changed by hand", corpo(), [saldo(sku="CAMISETA", dono="loja/camiseta", alvo=99)], ["CAMISETA"]),
    ("the row of another", corpo(), [saldo(sku="CAMISETA", dono="outra/x")], ["CAMISETA"]),
    ("without our finalizer", corpo(finalizers=[]), [CAMISETA], ["CAMISETA"]),
    ("being deleted", corpo(deletionTimestamp=AGORA), [CAMISETA], ["CAMISETA"]),
    ("a row that its deleted item has not given up yet", corpo(),
     [CAMISETA, saldo(sku="B", dono="loja/b", situacao="Encerrando")], ["B"]),
    ("a row without an item", corpo(), [CAMISETA, saldo(sku="B", dono="loja/b")], []),
]  # fmt: skip


@pytest.mark.parametrize(("objeto", "linhas", "esperado"), [c[1:] for c in TABELA], ids=[c[0] for c in TABELA])
async def test_a_resync_takes_to_postgresql_what_is_not_as_it_should_be(objeto, linhas, esperado):
    mundo = Mundo(Kubernetes(50, objeto), Banco(*linhas))
    await mundo.ressincronizar()
    assert await mundo.esperando() == esperado


async def test_nothing_is_listed_before_it_is_watched():
    api = Kubernetes(50, corpo())
    mundo = Mundo(api, Banco(CAMISETA), vigiada=False)
    await mundo.ressincronizar()
    assert (api.listas, mundo.ressincronia.definida.is_set()) == (0, True)
    mundo.ressincronia.vigiar(40)
    await mundo.ressincronizar()
    assert (api.listas, mundo.ressincronia.comparada.is_set()) == (1, True)


async def test_a_watch_that_begins_anew_calls_for_a_list():
    api = Kubernetes(50, corpo())
    mundo = Mundo(api, Banco(CAMISETA))
    asyncio.get_running_loop().call_later(0.05, mundo.ressincronia.vigiar, 60)
    await mundo.ressincronizar(segundos=0.15)
    assert api.listas == 2, "long before the interval is over"


async def test_a_list_is_as_new_as_the_watch_that_has_begun_and_else_the_newest():
    """What the API server has in memory will do where the watch shows all that came later, and nowhere else."""
    api = Kubernetes(50, corpo())
    mundo = Mundo(api, Banco(CAMISETA))
    await mundo.ressincronizar()
    await mundo.ressincronizar(segundos=0.05, intervalo=0.02)
    assert api.pedidas[:2] == [40, 0]


async def test_a_watch_older_than_the_last_list_calls_for_the_newest():
    """One of several API servers may lag: a list of its own memory might be older than what is known."""
    api = Kubernetes(50, corpo())
    mundo = Mundo(api, Banco(CAMISETA))
    await mundo.ressincronizar()
    mundo.ressincronia.vigiar(49)
    await mundo.ressincronizar()
    assert api.pedidas == [40, 0]


async def test_while_the_api_server_does_not_know_stockitems_nothing_is_watched():
    api = Kubernetes(50, corpo())
    api.desconhecida = True
    mundo = Mundo(api, Banco(CAMISETA))
    await mundo.ressincronizar()
    assert (api.listas, mundo.ressincronia.definida.is_set()) == (0, False)


async def test_a_list_older_than_the_last_one_ends_the_program():
    api = Kubernetes(50, corpo())
    mundo = Mundo(api, Banco(CAMISETA))
    await mundo.ressincronizar()
    api.versao = 49
    with pytest.raises(HistoriaVoltouError):
        await mundo.ressincronizar()


async def ler(mundo, segundos):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(segundos):
            await mundo.saldos.rodar(0.02, lambda: None)


async def test_balances_are_read_from_the_last_read_on_and_each_change_is_told_once():
    mundo = Mundo(Kubernetes(50, corpo()), Banco())
    mundo.conhecidos.ver(*_lido(corpo()))
    await ler(mundo, 0.05)
    assert mundo.banco.desdes == [], "not before everything has been compared"
    mundo.saldos.comecar(T0)
    mundo.banco.linhas = [saldo(sku="CAMISETA", dono="loja/camiseta", disponivel=7, alterado_em=T0)]
    await ler(mundo, 0.1)
    assert mundo.banco.desdes[:3] == [T0, T0 + timedelta(seconds=1), T0 + timedelta(seconds=2)]
    assert mundo.escritor.propostas == [("CAMISETA", 7)], "it was read again and again, but had not changed again"
    mundo.saldos.comecar(T0)
    await ler(mundo, 0.03)
    assert len(mundo.escritor.propostas) == 2, "a resync may have proposed older numbers meanwhile"


async def test_a_sku_that_is_free_again_wakes_those_who_wait_for_it():
    mundo = Mundo(Kubernetes(50), Banco(saldo(sku="LIVRE", dono=None, situacao="Encerrado", alterado_em=T0)))
    mundo.saldos.comecar(T0)
    await ler(mundo, 0.03)
    assert mundo.conflitos.acordados == ["LIVRE"]


def _lido(objeto):
    return ler_item(objeto), ler_status(objeto)
