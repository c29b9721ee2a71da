import pytest

from operador.decisao import Desfecho, avaliar, espera_o_banco
from operador.stockitem import Status

from .fabrica import item, saldo

TABELA = [
    ("all as declared", item(), saldo(), Desfecho.SINCRONIZADO),
    ("the name is compared where the row tells it", item(), saldo(nome="Camiseta"), Desfecho.SINCRONIZADO),
    ("no row yet", item(), None, Desfecho.DIVERGENTE),
    ("a row that nobody owns", item(), saldo(dono=None, situacao="Encerrado"), Desfecho.DIVERGENTE),
    ("another quantity", item(), saldo(alvo=99, quantidade=99), Desfecho.DIVERGENTE),
    ("another name", item(), saldo(nome="Outra"), Desfecho.DIVERGENTE),
    ("not paused yet", item(pausado=True), saldo(), Desfecho.DIVERGENTE),
    ("paused", item(pausado=True), saldo(situacao="Pausado"), Desfecho.SINCRONIZADO),
    ("still paused", item(), saldo(situacao="Pausado"), Desfecho.DIVERGENTE),
    ("ended by a deletion that was overtaken", item(), saldo(situacao="Encerrando"), Desfecho.DIVERGENTE),
    ("another threshold", item(limite_baixo=5), saldo(), Desfecho.DIVERGENTE),
    ("more committed than supplied", item(), saldo(quantidade=120, reservado=120), Desfecho.ABAIXO_DO_COMPROMETIDO),
    ("the SKU of another", item(), saldo(dono="outra/loja"), Desfecho.CONFLITO),
    ("the SKU of another, with other numbers", item(), saldo(dono="outra/loja", alvo=1), Desfecho.CONFLITO),
    ("deleted, units reserved", item(excluindo=True), saldo(situacao="Encerrando"), Desfecho.ENCERRANDO),
    ("deleted, the row does not know yet", item(excluindo=True), saldo(), Desfecho.DIVERGENTE),
    ("deleted, given up", item(excluindo=True), saldo(dono=None, situacao="Encerrado"), Desfecho.LIVRE),
    ("deleted, the SKU of another", item(excluindo=True), saldo(dono="outra/loja"), Desfecho.LIVRE),
    ("deleted, never claimed", item(excluindo=True), None, Desfecho.LIVRE),
    ("gone, units reserved", item(ausente=True), saldo(situacao="Encerrando"), Desfecho.ENCERRANDO),
    ("gone, given up", item(ausente=True), saldo(dono=None), Desfecho.LIVRE),
]


@pytest.mark.parametrize(("objeto", "linha", "esperado"), [c[1:] for c in TABELA], ids=[c[0] for c in TABELA])
def test_what_a_row_means_for_an_item(objeto, linha, esperado):
    assert avaliar(objeto, linha) is esperado


ESPERAS = [
    ("no status yet", item(), None, True),
    ("the status is about this spec", item(geracao=3), Status("CAMISETA", 3, ()), False),
    ("the status is about an earlier spec", item(geracao=4), Status("CAMISETA", 3, ()), True),
    ("being deleted", item(excluindo=True), Status("CAMISETA", 3, ()), True),
]


@pytest.mark.parametrize(("objeto", "status", "esperado"), [c[1:] for c in ESPERAS], ids=[c[0] for c in ESPERAS])
def test_what_postgresql_has_yet_to_hear_of(objeto, status, esperado):
    assert espera_o_banco(objeto, status) is esperado
