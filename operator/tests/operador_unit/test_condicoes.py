import pytest

from operador.condicoes import status_de_saldo, status_sem_resposta
from operador.decisao import avaliar
from operador.stockitem import Status

from .fabrica import AGORA, DEPOIS, item, saldo

LIMITE = {"limite_baixo": 20}
FIM = {"situacao": "Encerrando", "reservado": 4, "disponivel": 96}

TABELA = [
    ("in force", item(), saldo(), ["True Synced", "True InStock", "False NoThreshold"]),
    ("sold out", item(), saldo(vendido=100, disponivel=0), ["True Synced", "False OutOfStock", "False NoThreshold"]),
    ("nothing supplied", item(quantidade=0), saldo(alvo=0, quantidade=0, disponivel=0),
     ["True Synced", "False OutOfStock", "False NoThreshold"]),
    ("paused", item(pausado=True), saldo(situacao="Pausado"), ["True Synced", "False Paused", "False NoThreshold"]),
    ("above the threshold", item(**LIMITE), saldo(disponivel=21, **LIMITE),
     ["True Synced", "True InStock", "False AboveThreshold"]),
    ("at the threshold", item(**LIMITE), saldo(disponivel=20, **LIMITE),
     ["True Synced", "True InStock", "True AtOrBelowThreshold"]),
    ("threshold zero", item(limite_baixo=0), saldo(disponivel=0, limite_baixo=0),
     ["True Synced", "False OutOfStock", "True AtOrBelowThreshold"]),
    ("too much committed", item(quantidade=5), saldo(alvo=5, quantidade=9, reservado=7, vendido=2, disponivel=0),
     ["False BelowCommitted", "False OutOfStock", "False NoThreshold"]),
    ("conflict", item(**LIMITE), saldo(dono="outra/loja"),
     ["False SkuConflict", "False SkuConflict", "False NotSupplied"]),
    ("deleting", item(excluindo=True), saldo(**FIM), ["False Deleting", "False Deleting", "False NotSupplied"]),
]  # fmt: skip


def status(objeto, linha, anterior=None, agora=AGORA) -> Status:
    return status_de_saldo(objeto, linha, avaliar(objeto, linha), anterior, agora)


@pytest.mark.parametrize(("objeto", "linha", "esperado"), [c[1:] for c in TABELA], ids=[c[0] for c in TABELA])
def test_conditions(objeto, linha, esperado):
    condicoes = status(objeto, linha).condicoes
    assert [f"{c.status} {c.motivo}" for c in condicoes] == esperado
    assert [c.tipo for c in condicoes] == ["Synced", "Available", "LowStock"]
    assert {c.geracao for c in condicoes} == {objeto.geracao}
    assert {c.desde for c in condicoes} == {AGORA}


MENSAGENS = [
    (item(), saldo(dono="outra/loja"), "SKU CAMISETA belongs to StockItem outra/loja"),
    (item(quantidade=5), saldo(alvo=5, quantidade=9, reservado=7, vendido=2, disponivel=0),
     "spec.quantity is 5, but 9 are committed (7 reserved, 2 sold): no new reservations; "
     "supply falls with each release"),
    (item(excluindo=True), saldo(**FIM), "Deletion waits for 4 units in live reservations"),
    (item(excluindo=True), saldo(**{**FIM, "reservado": 1}), "Deletion waits for 1 unit in live reservations"),
]  # fmt: skip


@pytest.mark.parametrize(("objeto", "linha", "mensagem"), MENSAGENS)
def test_the_message_says_why(objeto, linha, mensagem):
    assert status(objeto, linha).condicao("Synced").mensagem == mensagem


def test_numbers():
    visto = status(item(), saldo(quantidade=120, alvo=100, reservado=90, vendido=30, disponivel=0))
    assert (visto.quantidade, visto.disponivel, visto.reservado, visto.vendido, visto.em_maos) == (120, 0, 90, 30, 90)


def test_what_is_being_deleted_offers_nothing():
    assert status(item(excluindo=True), saldo(**FIM)).disponivel == 0


def test_an_item_in_conflict_shows_no_numbers_of_the_owner():
    visto = status(item(), saldo(dono="outra/loja"))
    assert (visto.quantidade, visto.disponivel, visto.reservado, visto.vendido, visto.em_maos) == (None,) * 5


def test_transition_time_moves_with_the_status_of_a_condition_only():
    antes = status(item(**LIMITE), saldo(disponivel=21, **LIMITE))
    depois = status(item(**LIMITE), saldo(disponivel=20, **LIMITE), antes, DEPOIS)
    assert [c.desde for c in depois.condicoes] == [AGORA, AGORA, DEPOIS]


def test_the_same_again_is_equal_so_nothing_is_written():
    antes = status(item(), saldo())
    assert status(item(), saldo(), antes, DEPOIS) == antes


def test_without_an_answer_what_was_known_stays():
    antes = status(item(), saldo(vendido=10, disponivel=90))
    visto = status_sem_resposta(item(geracao=4), antes, "DatabaseUnavailable", "away", DEPOIS)
    assert (visto.disponivel, visto.vendido, visto.geracao) == (90, 10, 4)
    assert [f"{c.tipo} {c.status} {c.desde}" for c in visto.condicoes] == [
        f"Synced False {DEPOIS}",
        f"Available True {AGORA}",
        f"LowStock False {AGORA}",
    ]
    assert status_sem_resposta(item(geracao=4), visto, "DatabaseUnavailable", "away", "later") == visto


def test_without_an_answer_a_new_item_has_no_numbers():
    visto = status_sem_resposta(item(), None, "DatabaseUnavailable", "away", AGORA)
    assert (visto.sku, visto.disponivel, len(visto.condicoes)) == ("CAMISETA", None, 1)
