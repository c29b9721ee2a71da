"""The CRD of StockItem refuses invalid specs with a sentence, and documents itself."""

from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).parents[3] / "k8s" / "samples"
SKU = "a SKU has 1 to 64 letters (without accents), digits, dots, hyphens and underscores"
THRESHOLD = "lowStockThreshold is a number of units from 0 to 1000000000000"

BAD = [
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
    ({"quantity": 1, "lowStockThreshold": -1}, THRESHOLD),
    ({"quantity": 1, "lowStockThreshold": 10**13}, THRESHOLD),
    ({"quantity": 1, "quantitty": 1}, 'unknown field "spec.quantitty"'),
]


def manifest(name, spec):
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": name},
        "spec": {"name": "Produto", **spec},
    }


@pytest.mark.parametrize(("spec", "sentence"), BAD)
def test_bad_items_are_refused_with_a_sentence(world, name, spec, sentence):
    assert sentence in world.rejection(manifest(name, spec), dryRun="All")
    assert sentence in world.rejection(manifest(name, spec))


def test_a_name_too_long_for_a_sku_is_refused(world):
    long = "a" * 65
    sentence = "without spec.sku the name of the StockItem is its SKU, which has 64 characters at most"
    assert sentence in world.rejection(manifest(long, {"quantity": 1}))
    world.apply(long, sku="SHORT", quantity=1)


def test_the_sku_never_changes(world, name):
    world.apply(name, quantity=1)
    sentence = f"the SKU of a StockItem never changes: this one is {name}. Create another StockItem for OTHER"
    with pytest.raises(httpx.HTTPStatusError, match=sentence):
        world.stock_items.merge(name, {"spec": {"sku": "OTHER"}})
    world.apply(name, sku=name, quantity=2)


def test_the_sku_in_the_status_never_changes(world, name, until):
    world.apply(name, quantity=1)
    until(lambda: world.status(name).get("sku"), name)
    for sku in ("OTHER", None):
        with pytest.raises(httpx.HTTPStatusError, match="written once and never changes"):
            world.stock_items.merge(name, {"status": {"sku": sku}}, subresource="status")


def test_kubectl_explain_describes_the_fields(world):
    text = " ".join(world.kubectl("explain", "stockitem.spec").split())
    assert "All units ever supplied" in text
    for field in ("quantity <integer> -required-", "name <string> -required-", "sku <string>", "paused <boolean>"):
        assert field in text
    assert "Units held by reservations" in world.kubectl("explain", "stockitem.status.reserved")


def test_the_examples_apply_and_are_synced_within_two_seconds(world, until):
    output = world.kubectl("apply", f"--filename={SAMPLES}")
    names = [row.split()[0].split("/")[1] for row in output.splitlines()]
    world.created.extend(("default", name) for name in names)
    assert len(names) == 5
    until(lambda: {world.reason(name) for name in names}, {"Synced"}, seconds=2)
