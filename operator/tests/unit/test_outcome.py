import pytest
from stock_item_factory import item, saldo

from operador.decide.outcome import Outcome, assess, awaits_database
from operador.decide.stockitem import Status

TABLE = [
    ("all as declared", item(), saldo(), Outcome.SYNCED),
    ("the name is compared if the row has one", item(), saldo(nome="Camiseta"), Outcome.SYNCED),
    ("no row yet", item(), None, Outcome.DIVERGENT),
    ("a row without an owner", item(), saldo(dono=None, situacao="Encerrado"), Outcome.DIVERGENT),
    ("another quantity", item(), saldo(alvo=99, quantidade=99), Outcome.DIVERGENT),
    ("another name", item(), saldo(nome="Outra"), Outcome.DIVERGENT),
    ("not paused yet", item(paused=True), saldo(), Outcome.DIVERGENT),
    ("paused", item(paused=True), saldo(situacao="Pausado"), Outcome.SYNCED),
    ("still paused", item(), saldo(situacao="Pausado"), Outcome.DIVERGENT),
    ("ended by a deletion that was overtaken", item(), saldo(situacao="Encerrando"), Outcome.DIVERGENT),
    ("another threshold", item(limite_baixo=5), saldo(), Outcome.DIVERGENT),
    ("more committed than supplied", item(), saldo(quantidade=120, reservado=120), Outcome.BELOW_COMMITTED),
    ("a SKU of another item", item(), saldo(dono="other/loja"), Outcome.CONFLICT),
    ("a SKU of another item, with other numbers", item(), saldo(dono="other/loja", alvo=1), Outcome.CONFLICT),
    ("deleted, units reserved", item(deleting=True), saldo(situacao="Encerrando"), Outcome.DELETING),
    ("deleted, row not updated yet", item(deleting=True), saldo(), Outcome.DIVERGENT),
    ("deleted, SKU released", item(deleting=True), saldo(dono=None, situacao="Encerrado"), Outcome.RELEASED),
    ("deleted, a SKU of another item", item(deleting=True), saldo(dono="other/loja"), Outcome.RELEASED),
    ("deleted, never claimed", item(deleting=True), None, Outcome.RELEASED),
    ("gone, units reserved", item(gone=True), saldo(situacao="Encerrando"), Outcome.DELETING),
    ("gone, SKU released", item(gone=True), saldo(dono=None), Outcome.RELEASED),
]


@pytest.mark.parametrize(("obj", "row", "expected"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
def test_what_a_row_means_for_an_item(obj, row, expected):
    assert assess(obj, row) is expected


WAITS = [
    ("no status yet", item(), None, True),
    ("the status is about this spec", item(generation=3), Status("CAMISETA", 3, ()), False),
    ("the status is about an earlier spec", item(generation=4), Status("CAMISETA", 3, ()), True),
    ("being deleted", item(deleting=True), Status("CAMISETA", 3, ()), True),
]


@pytest.mark.parametrize(("obj", "status", "expected"), [c[1:] for c in WAITS], ids=[c[0] for c in WAITS])
def test_changes_that_postgresql_has_yet_to_see(obj, status, expected):
    assert awaits_database(obj, status) is expected
