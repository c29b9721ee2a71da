"""Who owns a SKU, and how it is given up."""

import pytest

pytestmark = pytest.mark.integration


def test_a_second_item_of_a_sku_waits_until_the_owner_goes(mundo, nome, ate):
    mundo.aplicar(nome, sku=nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.aplicar("copia", ns="outra-loja", sku=nome, quantity=99)
    ate(lambda: mundo.motivo("copia", ns="outra-loja"), "SkuConflict")
    assert f"belongs to StockItem default/{nome}" in mundo.condicao("copia", ns="outra-loja")["message"]
    assert "available" not in mundo.status("copia", ns="outra-loja")
    assert mundo.status(nome)["available"] == 10
    mundo.apagar(nome)
    ate(lambda: mundo.motivo("copia", ns="outra-loja"), "Synced", segundos=4)
    assert mundo.status("copia", ns="outra-loja")["available"] == 99
    mundo.apagar("copia", ns="outra-loja")
    ate(lambda: mundo.ler("copia", ns="outra-loja"), None)


def test_deleting_an_item_in_conflict_changes_nothing(mundo, nome, ate):
    mundo.aplicar(nome, sku=nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.aplicar(f"{nome}-b", sku=nome, quantity=99)
    ate(lambda: mundo.motivo(f"{nome}-b"), "SkuConflict")
    mundo.apagar(f"{nome}-b")
    ate(lambda: mundo.ler(f"{nome}-b"), None)
    assert mundo.numeros(nome) == (10, 0, 0, 10)
    assert mundo.linha(nome, "dono, situacao") == f"default/{nome}|Ativo"


def test_deletion_waits_for_live_reservations(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 4)
    mundo.apagar(nome)
    ate(lambda: mundo.motivo(nome), "Deleting")
    assert "4 units" in mundo.condicao(nome)["message"]
    assert mundo.linha(nome, "situacao") == "Encerrando"
    mundo.fechar(pedido)
    ate(lambda: mundo.ler(nome), None, segundos=4)
    assert mundo.linha(nome, "situacao, vendido") == "Encerrado|4"


def test_deletion_does_not_wait_for_lapsed_reservations(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.reservar(nome, 4, ttl=1)
    mundo.apagar(nome)
    ate(lambda: mundo.ler(nome), None, segundos=5)


def test_a_recreated_item_keeps_what_was_sold(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.fechar(mundo.reservar(nome, 3))
    mundo.apagar(nome)
    ate(lambda: mundo.ler(nome), None)
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.numeros(nome), (7, 0, 3, 7))


def test_a_finalizer_taken_away_by_force_still_gives_the_sku_up(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    pedido = mundo.reservar(nome, 1)
    mundo.apagar(nome)
    ate(lambda: mundo.motivo(nome), "Deleting")
    mundo.kubectl("patch", "stockitem", nome, "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    mundo.cancelar(pedido)
    ate(lambda: mundo.linha(nome, "situacao"), "Encerrado")


def test_the_finalizers_of_others_are_left_alone(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    outros = '--patch={"metadata": {"finalizers": ["loja.example/outra", "reservaestoque.dev/estoque"]}}'
    mundo.kubectl("patch", "stockitem", nome, "--type=merge", outros)
    mundo.apagar(nome)
    ate(lambda: mundo.ler(nome)["metadata"].get("finalizers"), ["loja.example/outra"])
    mundo.kubectl("patch", "stockitem", nome, "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    ate(lambda: mundo.ler(nome), None)


def test_a_row_changed_by_hand_is_put_right_within_one_resync(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.mexer(nome, "nome = 'outro', alvo = 50, quantidade = 50")
    ate(lambda: mundo.linha(nome, "nome, alvo, quantidade"), "Produto de teste|10|10", segundos=6)


def test_a_status_changed_by_hand_is_put_right(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.numeros(nome), (10, 0, 0, 10))
    mundo.kubectl(
        "patch", "stockitem", nome, "--subresource=status", "--type=merge", '--patch={"status": {"available": 999}}'
    )
    ate(lambda: mundo.numeros(nome), (10, 0, 0, 10), segundos=6)


def test_a_row_without_an_item_stays_sellable_and_is_reported(mundo, nome, ate):
    mundo.por_linha_sem_item(nome)
    ate(lambda: nome in mundo.sistema.log("operator"), True, segundos=8)
    assert mundo.linha(nome, "situacao, quantidade") == "Ativo|5"
    mundo.tirar_linha(nome)


def test_an_item_whose_row_is_gone_gets_it_back_within_one_resync(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10, lowStockThreshold=3)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.tirar_linha(nome)
    ate(lambda: mundo.linha(nome, "dono, alvo, limite_baixo"), f"default/{nome}|10|3", segundos=6)


def test_all_items_restored_with_new_uids_have_their_stock_again(mundo, nome, ate):
    for n in range(5):
        mundo.aplicar(f"{nome}-{n}", quantity=10)
    ate(lambda: mundo.sincronizados(nome), 5)
    vendido, reservado = mundo.reservar(f"{nome}-0", 3), mundo.reservar(f"{nome}-1", 4)
    mundo.fechar(vendido)
    antes = {n: mundo.ler(f"{nome}-{n}")["metadata"]["uid"] for n in range(5)}
    mundo.sistema.stop("operator")  # the cluster is lost, and with it all StockItems: nobody deletes them in order
    mundo.perder_os_itens(*(f"{nome}-{n}" for n in range(5)))
    for n in range(5):
        mundo.aplicar(f"{nome}-{n}", quantity=10)
    mundo.sistema.start("operator")
    ate(lambda: mundo.sincronizados(nome), 5)
    assert not set(antes.values()) & {mundo.ler(f"{nome}-{n}")["metadata"]["uid"] for n in range(5)}
    ate(lambda: mundo.numeros(f"{nome}-0"), (7, 0, 3, 7))
    ate(lambda: mundo.numeros(f"{nome}-1"), (6, 4, 0, 10))
    mundo.cancelar(reservado)
    ate(lambda: mundo.numeros(f"{nome}-1"), (10, 0, 0, 10))


def test_items_lost_and_restored_while_the_operator_runs_have_their_stock_again(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.fechar(mundo.reservar(nome, 3))
    mundo.reservar(nome, 2)
    mundo.perder_os_itens(nome)
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.numeros(nome), (5, 2, 3, 7))
    assert mundo.linha(nome, "situacao, dono") == f"Ativo|default/{nome}"


def test_our_finalizer_comes_back_when_somebody_takes_it_off(mundo, nome, ate):
    mundo.aplicar(nome, quantity=10)
    ate(lambda: mundo.motivo(nome), "Synced")
    mundo.kubectl("patch", "stockitem", nome, "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    ate(lambda: mundo.ler(nome)["metadata"].get("finalizers"), ["reservaestoque.dev/estoque"])
