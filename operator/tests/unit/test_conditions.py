import pytest
from stock_item_factory import LATER, NOW, item, saldo, status

from operador.decide.conditions import status_unsynced

LIMITE = {"limite_baixo": 20}
ENDING = {"situacao": "Encerrando", "reservado": 4, "disponivel": 96}

TABLE = [
    ("in stock", item(), saldo(), ["True Synced", "True InStock", "False NoThreshold"]),
    ("sold out", item(), saldo(vendido=100, disponivel=0), ["True Synced", "False OutOfStock", "False NoThreshold"]),
    ("nothing supplied", item(quantidade=0), saldo(alvo=0, quantidade=0, disponivel=0),
     ["True Synced", "False OutOfStock", "False NoThreshold"]),
    ("paused", item(paused=True), saldo(situacao="Pausado"), ["True Synced", "False Paused", "False NoThreshold"]),
    ("above the threshold", item(**LIMITE), saldo(disponivel=21, **LIMITE),
     ["True Synced", "True InStock", "False AboveThreshold"]),
    ("at the threshold", item(**LIMITE), saldo(disponivel=20, **LIMITE),
     ["True Synced", "True InStock", "True AtOrBelowThreshold"]),
    ("threshold zero", item(limite_baixo=0), saldo(disponivel=0, limite_baixo=0),
     ["True Synced", "False OutOfStock", "True AtOrBelowThreshold"]),
    ("too much committed", item(quantidade=5), saldo(alvo=5, quantidade=9, reservado=7, vendido=2, disponivel=0),
     ["False BelowCommitted", "False OutOfStock", "False NoThreshold"]),
    ("conflict", item(**LIMITE), saldo(dono="other/loja"),
     ["False SkuConflict", "False SkuConflict", "False NotSupplied"]),
    ("deleting", item(deleting=True), saldo(**ENDING), ["False Deleting", "False Deleting", "False NotSupplied"]),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "row", "expected"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
def test_conditions(obj, row, expected):
    conditions = status(obj, row).conditions
    assert [f"{c.status} {c.reason}" for c in conditions] == expected
    assert [c.type for c in conditions] == ["Synced", "Available", "LowStock"]
    assert {c.generation for c in conditions} == {obj.generation}
    assert {c.since for c in conditions} == {NOW}


MESSAGES = [
    (item(), saldo(dono="other/loja"), "SKU CAMISETA belongs to StockItem other/loja"),
    (item(quantidade=5), saldo(alvo=5, quantidade=9, reservado=7, vendido=2, disponivel=0),
     "spec.quantity is 5, but 9 are committed (7 reserved, 2 sold): no new reservations; "
     "supply falls with each release"),
    (item(deleting=True), saldo(**ENDING), "Deletion waits for 4 units in live reservations"),
    (item(deleting=True), saldo(**{**ENDING, "reservado": 1}), "Deletion waits for 1 unit in live reservations"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "row", "message"), MESSAGES)
def test_the_message_says_why(obj, row, message):
    assert status(obj, row).condition("Synced").message == message


def test_numbers():
    seen = status(item(), saldo(quantidade=120, alvo=100, reservado=90, vendido=30, disponivel=0))
    assert (seen.quantidade, seen.disponivel, seen.reservado, seen.vendido, seen.on_hand) == (120, 0, 90, 30, 90)


def test_an_item_being_deleted_offers_nothing():
    assert status(item(deleting=True), saldo(**ENDING)).disponivel == 0


def test_an_item_in_conflict_shows_no_numbers_of_the_owner():
    seen = status(item(), saldo(dono="other/loja"))
    assert (seen.quantidade, seen.disponivel, seen.reservado, seen.vendido, seen.on_hand) == (None,) * 5


def test_transition_time_moves_with_the_status_of_a_condition_only():
    before = status(item(**LIMITE), saldo(disponivel=21, **LIMITE))
    after = status(item(**LIMITE), saldo(disponivel=20, **LIMITE), before, LATER)
    assert [c.since for c in after.conditions] == [NOW, NOW, LATER]


def test_an_unchanged_status_is_equal_so_nothing_is_written():
    before = status(item(), saldo())
    assert status(item(), saldo(), before, LATER) == before


def test_without_an_answer_known_numbers_are_kept():
    before = status(item(), saldo(vendido=10, disponivel=90))
    seen = status_unsynced(item(generation=4), before, "DatabaseUnavailable", "unavailable", LATER)
    assert (seen.disponivel, seen.vendido, seen.generation) == (90, 10, 4)
    assert [f"{c.type} {c.status} {c.since}" for c in seen.conditions] == [
        f"Synced False {LATER}",
        f"Available True {NOW}",
        f"LowStock False {NOW}",
    ]
    assert status_unsynced(item(generation=4), seen, "DatabaseUnavailable", "unavailable", "later") == seen


def test_without_an_answer_a_new_item_has_no_numbers():
    seen = status_unsynced(item(), None, "DatabaseUnavailable", "unavailable", NOW)
    assert (seen.sku, seen.disponivel, len(seen.conditions)) == ("CAMISETA", None, 1)
