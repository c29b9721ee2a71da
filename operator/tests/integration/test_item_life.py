"""The life of a StockItem as a shop sees it, from its first apply on."""

import time

import pytest

pytestmark = pytest.mark.integration


def test_an_applied_item_is_synced_within_two_seconds(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.numbers(name), (10, 0, 0, 10), seconds=2)
    status = world.status(name)
    assert status["sku"] == name
    assert status["observedGeneration"] == 1
    assert world.condition(name, "Synced")["status"] == "True"
    assert world.reason(name, "Available") == "InStock"
    assert world.read(name)["metadata"]["finalizers"] == ["reservaestoque.dev/estoque"]
    until(lambda: world.events(name), ["Claimed"], seconds=2)


def test_kopf_leaves_no_trace_of_its_own(world, name, until):
    world.apply(name, quantity=1)
    until(lambda: world.reason(name), "Synced")
    assert "annotations" not in world.read(name)["metadata"]


def test_kubectl_wait_and_get_show_the_status(world, name):
    world.apply(name, sku=name.upper(), quantity=7)
    world.kubectl("wait", "--for=condition=Synced", f"stockitem/{name}", "--timeout=5s")
    header, row = world.kubectl("get", "si", name).splitlines()
    assert header.split() == ["NAME", "SKU", "QUANTITY", "AVAILABLE", "RESERVED", "SOLD", "SYNCED"]
    assert row.split() == [name, name.upper(), "7", "7", "0", "0", "True"]
    assert "Synced" in world.kubectl("get", "reservaestoque", "--output=wide")


def test_restocking_raises_what_is_available(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.status(name).get("available"), 10)
    world.apply(name, quantity=25)
    until(lambda: world.numbers(name), (25, 0, 0, 25), seconds=2)
    assert world.status(name)["observedGeneration"] == 2


def test_reservations_and_sales_reach_the_status_within_two_seconds(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 4)
    until(lambda: world.numbers(name), (6, 4, 0, 10), seconds=2)
    world.fechar(pedido)
    until(lambda: world.numbers(name), (6, 0, 4, 6), seconds=4)


def test_lowering_below_what_is_committed_takes_effect_with_each_release(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    first, second = world.reservar(name, 3), world.reservar(name, 4)
    world.apply(name, quantity=2)
    until(lambda: world.reason(name), "BelowCommitted")
    assert "spec.quantity is 2, but 7 are committed (7 reserved, 0 sold)" in world.condition(name)["message"]
    assert world.status(name)["quantity"] == 7
    world.cancelar(first)
    until(lambda: world.status(name)["quantity"], 4)
    world.cancelar(second)
    until(lambda: world.reason(name), "Synced")
    assert world.numbers(name) == (2, 0, 0, 2)
    assert "BelowCommitted" in world.events(name)


def test_a_paused_item_offers_nothing_and_comes_back(world, name, until):
    world.apply(name, quantity=10, paused=True)
    until(lambda: world.reason(name, "Available"), "Paused")
    assert world.row(name, "situacao") == "Pausado"
    world.apply(name, quantity=10, paused=False)
    until(lambda: world.reason(name, "Available"), "InStock")


def test_low_and_exhausted_stock_is_announced(world, name, until):
    world.apply(name, quantity=3, lowStockThreshold=1)
    until(lambda: world.condition(name, "LowStock").get("status"), "False")
    world.reservar(name, 2)
    until(lambda: world.condition(name, "LowStock")["status"], "True")
    world.reservar(name, 1)
    until(lambda: world.reason(name, "Available"), "OutOfStock")
    until(lambda: sorted(world.events(name)), ["Claimed", "LowStock", "OutOfStock"], seconds=2)


def test_a_lapsed_reservation_is_swept_and_the_units_are_back(world, name, until):
    world.apply(name, quantity=5)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 5, ttl=2)
    until(lambda: world.numbers(name), (0, 5, 0, 5), seconds=2)
    until(lambda: world.pedido(pedido), "ReservaExpirada", seconds=5)
    until(lambda: world.numbers(name), (5, 0, 0, 5), seconds=2)
    assert world.lapse_facts(pedido) == 1


def test_a_thousand_items_in_one_apply_are_synced(world, name, until):
    world.apply_many(name, 1000)
    until(lambda: world.synced(name), 1000, seconds=120)
    assert world.rows(name) == 1000
    assert world.numbers(f"{name}-999") == (1000, 0, 0, 1000)
    world.delete_many(name)
    until(lambda: world.versions(name), {}, seconds=120)


def test_a_thousand_items_that_wait_are_synced_in_few_statements(world, name, until):
    world.system.stop("operator")
    world.apply_many(name, 1000)
    world.system.start("operator")
    until(lambda: world.synced(name), 1000, seconds=120)
    assert world.calls() < 50, "many items go to PostgreSQL in one call"
    world.delete_many(name)
    until(lambda: world.versions(name), {}, seconds=120)


def test_a_busy_item_costs_the_api_server_a_write_every_few_seconds(world, name, until):
    world.apply(name, quantity=1000)
    until(lambda: world.reason(name), "Synced")
    seen = set()
    end = time.monotonic() + 9
    while time.monotonic() < end:
        world.reservar(name, 1)
        seen.add(world.read(name)["metadata"]["resourceVersion"])
    reservado = int(world.row(name, "reservado"))
    assert reservado > 2 * len(seen)
    assert len(seen) <= 7, "the first version, three at once, then one every three seconds"
    until(lambda: world.status(name)["reserved"], reservado)
