"""What an order may request, and how long a client may wait."""

import msgspec
import pytest

from pedidos.command import InvalidKeyError, digest, explain, parse_key
from pedidos.pedido import OrderRequest, TooManyUnitsError, merge_items
from pedidos.prefer import wait_seconds
from pedidos.repository import newest
from reservaestoque.events import AtualizarStatus, Item, Status, StatusAtualizado, new_id

read = msgspec.json.Decoder(OrderRequest).decode


def test_repeated_skus_are_summed_in_the_order_first_named():
    assert merge_items([Item("B", 1), Item("A", 2), Item("B", 3)]) == [Item("B", 4), Item("A", 2)]


def test_sum_of_a_sku_has_a_limit():
    assert merge_items([Item("A", 999_999), Item("A", 1)]) == [Item("A", 1_000_000)]
    with pytest.raises(TooManyUnitsError, match="1000001 units of A in all"):
        merge_items([Item("A", 1_000_000), Item("A", 1)])


@pytest.mark.parametrize("sku", ["A", "0", "a" * 64, "A._-z"])
def test_good_skus(sku: str):
    assert read(msgspec.json.encode({"clienteId": "x", "itens": [{"sku": sku, "quantidade": 1}]}))


@pytest.mark.parametrize("sku", ["", "a" * 65, ".A", "-", "A B", "A\n", "Ç", "A/B", "A\0"])
def test_bad_skus(sku: str):
    with pytest.raises(msgspec.ValidationError):
        read(msgspec.json.encode({"clienteId": "x", "itens": [{"sku": sku, "quantidade": 1}]}))


@pytest.mark.parametrize("cliente", ["", "a" * 129, "a\n", "\x7f", "\x1f", "é"])
def test_bad_customers(cliente: str):
    with pytest.raises(msgspec.ValidationError):
        read(msgspec.json.encode({"clienteId": cliente, "itens": [{"sku": "A", "quantidade": 1}]}))


@pytest.mark.parametrize("quantidade", [0, -1, 1.5, 10**9, "1", None, True])
def test_bad_quantities(quantidade: object):
    with pytest.raises(msgspec.ValidationError):
        read(msgspec.json.encode({"clienteId": "x", "itens": [{"sku": "A", "quantidade": quantidade}]}))


@pytest.mark.parametrize(("itens", "good"), [(0, False), (1, True), (100, True), (101, False)])
def test_one_to_a_hundred_items(itens: int, good: bool):
    body = msgspec.json.encode({"clienteId": "x", "itens": [{"sku": f"A{n}", "quantidade": 1} for n in range(itens)]})
    if good:
        assert len(read(body).itens) == itens
    else:
        with pytest.raises(msgspec.ValidationError):
            read(body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("Wait = 7", 7),
        ('wait="3"; foo=bar', 3),
        ("wait=0", 0),
        ("wait=31", 30),
        ("wait=99999999999999999999", 30),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait=x, wait=4", 4),
        ("wait=٣", 0),
        ("waiting=5", 0),
        ('foo="a, wait=9", wait=4', 4),
        ('foo="a; b, wait=9"; bar="c, wait=8", wait=4', 4),
        (r'foo="a\", wait=9", wait=4', 4),
        ('foo="never ends, wait=9', 0),
        ('foo="never ends, wait=9' + "\\", 0),
        ("wait=5;foo, wait=6", 5),
        (", ,wait=5", 5),
        ("foo;wait=9", 0),
    ],
)
def test_prefer_wait(header: str, seconds: int):
    assert wait_seconds(header) == seconds


def test_the_snapshot_with_the_highest_version_of_each_order_counts():
    one, other = new_id(), new_id()

    def snapshot(pedido, versao):
        data = StatusAtualizado(pedido_id=pedido, status=Status.ESTOQUE_RESERVADO, versao=versao)
        return AtualizarStatus(id=f"{pedido}:{versao}", source="/t", subject=pedido, time="2026-01-01", data=data)

    events = [snapshot(one, 2), snapshot(other, 1), snapshot(one, 3), snapshot(one, 1)]
    assert [(n.pedido_id, n.versao) for n in newest(events)] == [(one, 3), (other, 1)]


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("abc", "abc"),
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ("x" * 128, "x" * 128),
        ('"', '"'),
        ('"a, b"', "a, b"),
        (r'"a\"b\\"', 'a"b\\'),
    ],
)
def test_idempotency_keys(header: str | None, key: str | None):
    assert parse_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "x" * 129, "é", "a\tb", "a\x7f"])
def test_bad_idempotency_keys(header: str):
    with pytest.raises(InvalidKeyError, match="1 to 128"):
        parse_key(header)


@pytest.mark.parametrize("header", ["a, b", "a,a", '"a", "b"', ", ", 'a, "b"'])
def test_a_list_of_idempotency_keys_is_refused(header: str):
    with pytest.raises(InvalidKeyError, match="one Idempotency-Key"):
        parse_key(header)


@pytest.mark.parametrize("status", ["EstoqueReservado", "Fechado"])
def test_a_refusal_is_explained_correctly_whatever_became_of_the_order(status: str):
    assert explain("ReservaVigente", Status(status)) == (
        f"the reservation still held, so there was nothing to renew; the order is {status} now"
    )
    assert explain("MaisNova", Status(status)) == f"refused as MaisNova; the order is {status} now"


def test_equivalent_bodies_have_the_same_hash():
    assert digest(["ana", merge_items([Item("A", 1), Item("A", 1)])]) == digest(["ana", merge_items([Item("A", 2)])])
    assert digest(["ana", [Item("A", 2)]]) != digest(["eva", [Item("A", 2)]])
