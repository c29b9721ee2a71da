import pytest
from msgspec.structs import replace

from operador.conhecidos import Conhecido, Conhecidos, exige_trabalho
from operador.stockitem import Chave, Status

from .fabrica import item

STATUS = Status("CAMISETA", 3, ())
OUTRO = Status("CAMISETA", 3, (), disponivel=1)

TABELA = [
    ("never seen", None, item(), None, True),
    ("our own status write", item(), item(versao=11), STATUS, False),
    ("a label", item(), item(versao=11), STATUS, False),
    ("a new spec", item(), item(versao=11, geracao=4), STATUS, True),
    ("another object of that name", item(), item(versao=11, uid="uid-2"), STATUS, True),
    ("our finalizer arrived", item(finalizadores=()), item(versao=11), STATUS, False),
    ("our finalizer was taken away", item(), item(versao=11, finalizadores=()), STATUS, True),
    ("deletion", item(), item(versao=11, excluindo=True), STATUS, True),
    ("a status changed by hand", item(), item(versao=11), OUTRO, True),
    ("released, others' finalizers keep it", item(excluindo=True), item(versao=11, excluindo=True, finalizadores=()),
     STATUS, False),
]  # fmt: skip


@pytest.mark.parametrize(("antes", "agora", "status", "sim"), [c[1:] for c in TABELA], ids=[c[0] for c in TABELA])
def test_what_needs_work(antes, agora, status, sim):
    conhecido = None if antes is None else Conhecido(antes, STATUS)
    assert exige_trabalho(conhecido, agora, status) is sim


def test_older_versions_are_ignored():
    conhecidos = Conhecidos()
    assert conhecidos.ver(item(versao=20, quantidade=5), STATUS)
    assert not conhecidos.ver(item(versao=19, geracao=9), STATUS)
    assert conhecidos.obter(Chave("loja", "camiseta")).item.quantidade == 5


def test_a_list_that_is_older_than_the_deletion_brings_nothing_back():
    conhecidos = Conhecidos()
    conhecidos.ver(item(versao=20), STATUS)
    assert conhecidos.sumiu(item(versao=30)) == [item(versao=30, ausente=True)]
    assert not conhecidos.ver(item(versao=20), STATUS)
    assert len(conhecidos) == 0
    assert conhecidos.ver(item(versao=31, uid="uid-2"), None), "a new one of that name is another matter"


def test_a_deletion_that_comes_late_does_not_touch_the_successor():
    conhecidos = Conhecidos()
    conhecidos.ver(item(versao=31, uid="uid-2"), None)
    assert conhecidos.sumiu(item(versao=30)) == []
    assert len(conhecidos) == 1


def test_a_successor_with_another_sku_leaves_the_old_one_to_be_given_up():
    conhecidos = Conhecidos()
    conhecidos.ver(item(versao=31, uid="uid-2", sku="OUTRO"), None)
    velho = item(versao=30)
    assert conhecidos.sumiu(velho) == [replace(velho, ausente=True)]
    assert len(conhecidos) == 1
