from operador.condicoes import status_de_saldo
from operador.decisao import Desfecho
from operador.marcador import com_marca, sem_marca
from operador.stockitem import FINALIZER, Chave, escrever_status, ler_item, ler_status

from .fabrica import AGORA, item, saldo

META = {"namespace": "loja", "name": "camiseta-m", "uid": "u", "resourceVersion": "12", "generation": 2}


def test_the_name_is_the_sku_unless_the_spec_gives_one():
    assert ler_item({"metadata": META, "spec": {"name": "Camiseta", "quantity": 1}}).sku == "camiseta-m"
    assert ler_item({"metadata": META, "spec": {"sku": "C", "name": "Camiseta", "quantity": 1}}).sku == "C"


def test_everything_is_read():
    meta = {**META, "finalizers": ["a", FINALIZER], "deletionTimestamp": AGORA}
    spec = {"name": "Camiseta", "quantity": 7, "paused": True, "lowStockThreshold": 0}
    lido = ler_item({"metadata": meta, "spec": spec})
    assert (lido.chave, lido.chave.dono) == (Chave("loja", "camiseta-m"), "loja/camiseta-m")
    assert (lido.versao, lido.geracao, lido.quantidade, lido.pausado, lido.limite_baixo) == (12, 2, 7, True, 0)
    assert (lido.excluindo, lido.encerrar, lido.marcado) == (True, True, True)


def test_a_status_reads_as_it_was_written():
    status = status_de_saldo(item(), saldo(), Desfecho.SINCRONIZADO, None, AGORA)
    assert ler_status({"status": escrever_status(status, AGORA)}) == status


def test_a_status_without_numbers_removes_the_old_ones():
    status = status_de_saldo(item(), saldo(dono="outra/loja"), Desfecho.CONFLITO, None, AGORA)
    escrito = escrever_status(status, AGORA)
    assert escrito["available"] is None
    assert ler_status({"status": {k: v for k, v in escrito.items() if v is not None}}) == status


def test_an_owner_names_its_item():
    assert Chave.de_dono("loja/camiseta-m") == Chave("loja", "camiseta-m")
    assert Chave.de_dono("nonsense") == Chave("nonsense", "")


def test_no_status_yet():
    assert ler_status({}) is None
    assert ler_status({"status": {}}) is None


def test_our_finalizer_comes_and_goes_among_those_of_others():
    assert com_marca(("a",)) == ("a", FINALIZER)
    assert com_marca((FINALIZER, "a")) == (FINALIZER, "a")
    assert sem_marca(("a", FINALIZER, "b")) == ("a", "b")
