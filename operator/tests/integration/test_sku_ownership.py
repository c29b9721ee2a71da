"""Which StockItem owns a SKU, and how it gives it up."""

import pytest

pytestmark = pytest.mark.integration


def test_a_second_item_of_a_sku_waits_until_the_owner_goes(world, name, until):
    world.apply(name, sku=name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.apply("copy", ns="other-shop", sku=name, quantity=99)
    until(lambda: world.reason("copy", ns="other-shop"), "SkuConflict")
    assert f"belongs to StockItem default/{name}" in world.condition("copy", ns="other-shop")["message"]
    assert "available" not in world.status("copy", ns="other-shop")
    assert world.status(name)["available"] == 10
    world.delete(name)
    until(lambda: world.reason("copy", ns="other-shop"), "Synced", seconds=4)
    assert world.status("copy", ns="other-shop")["available"] == 99
    world.delete("copy", ns="other-shop")
    until(lambda: world.read("copy", ns="other-shop"), None)


def test_deleting_an_item_in_conflict_changes_nothing(world, name, until):
    world.apply(name, sku=name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.apply(f"{name}-b", sku=name, quantity=99)
    until(lambda: world.reason(f"{name}-b"), "SkuConflict")
    world.delete(f"{name}-b")
    until(lambda: world.read(f"{name}-b"), None)
    assert world.numbers(name) == (10, 0, 0, 10)
    assert world.row(name, "dono, situacao") == f"default/{name}|Ativo"


def test_deletion_waits_for_live_reservations(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 4)
    world.delete(name)
    until(lambda: world.reason(name), "Deleting")
    assert "4 units" in world.condition(name)["message"]
    assert world.row(name, "situacao") == "Encerrando"
    world.fechar(pedido)
    until(lambda: world.read(name), None, seconds=4)
    assert world.row(name, "situacao, vendido") == "Encerrado|4"


def test_deletion_does_not_wait_for_lapsed_reservations(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.reservar(name, 4, ttl=1)
    world.delete(name)
    until(lambda: world.read(name), None, seconds=5)


def test_a_recreated_item_keeps_what_was_sold(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.fechar(world.reservar(name, 3))
    world.delete(name)
    until(lambda: world.read(name), None)
    world.apply(name, quantity=10)
    until(lambda: world.numbers(name), (7, 0, 3, 7))


def test_a_sku_is_released_even_if_its_finalizer_was_removed_by_force(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 1)
    world.delete(name)
    until(lambda: world.reason(name), "Deleting")
    world.take_finalizers(name)
    world.cancelar(pedido)
    until(lambda: world.row(name, "situacao"), "Encerrado")


def test_the_finalizers_of_others_are_left_alone(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    others = ["loja.example/other", "reservaestoque.dev/estoque"]
    world.stock_items.merge(name, {"metadata": {"finalizers": others}})
    world.delete(name)
    until(lambda: world.read(name)["metadata"].get("finalizers"), ["loja.example/other"])
    world.take_finalizers(name)
    until(lambda: world.read(name), None)


def test_a_row_changed_by_hand_is_put_right_within_one_resync(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.edit_row(name, "nome = 'other', alvo = 50, quantidade = 50")
    until(lambda: world.row(name, "nome, alvo, quantidade"), "Produto de teste|10|10", seconds=6)


def test_a_status_changed_by_hand_is_put_right(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.numbers(name), (10, 0, 0, 10))
    world.stock_items.merge(name, {"status": {"available": 999}}, subresource="status")
    until(lambda: world.numbers(name), (10, 0, 0, 10), seconds=6)


def test_a_row_without_an_item_stays_sellable_and_is_reported(world, name, until):
    world.add_undeclared_row(name)
    until(lambda: name in world.system.log("operator"), True, seconds=8)
    assert world.row(name, "situacao, quantidade") == "Ativo|5"
    world.remove_row(name)


def test_an_item_whose_row_is_gone_gets_it_back_within_one_resync(world, name, until):
    world.apply(name, quantity=10, lowStockThreshold=3)
    until(lambda: world.reason(name), "Synced")
    world.remove_row(name)
    until(lambda: world.row(name, "dono, alvo, limite_baixo"), f"default/{name}|10|3", seconds=6)


def test_all_items_restored_with_new_uids_have_their_stock_again(world, name, until):
    for n in range(5):
        world.apply(f"{name}-{n}", quantity=10)
    until(lambda: world.synced(name), 5)
    vendido, reservado = world.reservar(f"{name}-0", 3), world.reservar(f"{name}-1", 4)
    world.fechar(vendido)
    before = {n: world.read(f"{name}-{n}")["metadata"]["uid"] for n in range(5)}
    world.system.stop("operator")  # the cluster is lost with all StockItems: they are not deleted in order
    world.lose_items(*(f"{name}-{n}" for n in range(5)))
    for n in range(5):
        world.apply(f"{name}-{n}", quantity=10)
    world.system.start("operator")
    until(lambda: world.synced(name), 5)
    assert not set(before.values()) & {world.read(f"{name}-{n}")["metadata"]["uid"] for n in range(5)}
    until(lambda: world.numbers(f"{name}-0"), (7, 0, 3, 7))
    until(lambda: world.numbers(f"{name}-1"), (6, 4, 0, 10))
    world.cancelar(reservado)
    until(lambda: world.numbers(f"{name}-1"), (10, 0, 0, 10))


def test_items_lost_and_restored_while_the_operator_runs_have_their_stock_again(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.fechar(world.reservar(name, 3))
    world.reservar(name, 2)
    world.lose_items(name)
    world.apply(name, quantity=10)
    until(lambda: world.numbers(name), (5, 2, 3, 7))
    assert world.row(name, "situacao, dono") == f"Ativo|default/{name}"


def test_our_finalizer_is_restored_when_another_client_removes_it(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.take_finalizers(name)
    until(lambda: world.read(name)["metadata"].get("finalizers"), ["reservaestoque.dev/estoque"])
