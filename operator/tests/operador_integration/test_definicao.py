"""The definition of StockItem refuses with a sentence what makes no sense, and explains itself."""

from pathlib import Path

import pytest

from local_system import LocalSystemError

pytestmark = pytest.mark.integration

EXEMPLOS = Path(__file__).parents[3] / "k8s" / "exemplos"
SKU = "a SKU has 1 to 64 letters (without accents), digits, dots, hyphens and underscores"
LIMITE = "lowStockThreshold is a number of units from 0 to 1000000000000"

RUINS = [
    ({"quantity": -1}, "quantity counts all units ever supplied and cannot be negative"),
    ({"quantity": 1.5}, "spec.quantity in body must be of type int64"),
    ({"quantity": 2 * 10**12}, "quantity cannot be more than 1000000000000"),
    ({"quantity": "dez"}, "spec.quantity in body must be of type integer"),
    ({}, "spec.quantity: Required value"),
    ({"quantity": 1, "name": None}, "spec.name: Required value"),
    ({"quantity": 1, "name": "  "}, "the product needs a name that people can read"),
    ({"quantity": 1, "name": "a\x00b"}, "the name of the product cannot contain the character U+0000"),
    ({"quantity": 1, "name": "a" * 201}, "spec.name: Too long"),
    ({"quantity": 1, "sku": ""}, SKU),
    ({"quantity": 1, "sku": "CAFÉ"}, SKU),
    ({"quantity": 1, "sku": "-A"}, SKU),
    ({"quantity": 1, "sku": "A B"}, SKU),
    ({"quantity": 1, "sku": "A" * 65}, "spec.sku: Too long: may not be more than 64 bytes"),
    ({"quantity": 1, "lowStockThreshold": -1}, LIMITE),
    ({"quantity": 1, "lowStockThreshold": 10**13}, LIMITE),
    ({"quantity": 1, "quantitty": 1}, 'unknown field "spec.quantitty"'),
]


def manifesto(nome, spec):
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": nome},
        "spec": {"name": "Produto", **spec},
    }


@pytest.mark.parametrize(("spec", "frase"), RUINS)
def test_bad_items_are_refused_with_a_sentence(mundo, nome, spec, frase):
    assert frase in mundo.recusa(manifesto(nome, spec), "--dry-run=server")
    assert frase in mundo.recusa(manifesto(nome, spec))


def test_a_name_too_long_for_a_sku_is_refused(mundo):
    longo = "a" * 65
    frase = "without spec.sku the name of the StockItem is its SKU, which has 64 characters at most"
    assert frase in mundo.recusa(manifesto(longo, {"quantity": 1}))
    mundo.aplicar(longo, sku="CURTO", quantity=1)


def test_the_sku_never_changes(mundo, nome):
    mundo.aplicar(nome, quantity=1)
    frase = f"the SKU of a StockItem never changes: this one is {nome}. Create another StockItem for OUTRO"
    assert frase in mundo.recusa(manifesto(nome, {"quantity": 1, "sku": "OUTRO"}))
    mundo.aplicar(nome, sku=nome, quantity=2)


def test_the_sku_in_the_status_never_changes(mundo, nome, ate):
    mundo.aplicar(nome, quantity=1)
    ate(lambda: mundo.status(nome).get("sku"), nome)
    for mudanca in ('{"status": {"sku": "OUTRO"}}', '{"status": {"sku": null}}'):
        with pytest.raises(LocalSystemError, match="written once and never changes"):
            mundo.kubectl("patch", "stockitem", nome, "--subresource=status", "--type=merge", f"--patch={mudanca}")


def test_it_explains_itself(mundo):
    texto = " ".join(mundo.kubectl("explain", "stockitem.spec").split())
    assert "All units ever supplied" in texto
    for campo in ("quantity <integer> -required-", "name <string> -required-", "sku <string>", "paused <boolean>"):
        assert campo in texto
    assert "Units held by reservations" in mundo.kubectl("explain", "stockitem.status.reserved")


def test_the_examples_apply_and_are_synced_within_two_seconds(mundo, ate):
    saida = mundo.kubectl("apply", f"--filename={EXEMPLOS}")
    nomes = [linha.split()[0].split("/")[1] for linha in saida.splitlines()]
    mundo.criados.extend(("default", nome) for nome in nomes)
    assert len(nomes) == 5
    ate(lambda: {mundo.motivo(nome) for nome in nomes}, {"Synced"}, segundos=2)
