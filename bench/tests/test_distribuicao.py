"""Which SKUs orders name."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from bancada.distribuicao import DISTRIBUICOES, SKUS, pedidos, pesos_acumulados, sku


def skus(distribuicao: str, itens: int, quantos: int = 2000) -> list[list[str]]:
    corpos: list[Any] = list(islice(pedidos(distribuicao, itens, semente=1), quantos))
    return [[item["sku"] for item in corpo["itens"]] for corpo in corpos]


@pytest.mark.parametrize("distribuicao", DISTRIBUICOES)
@pytest.mark.parametrize("itens", [1, 3])
def test_an_order_names_different_skus_in_order_as_often_as_asked(distribuicao: str, itens: int) -> None:
    existentes = {sku(numero) for numero in range(1, SKUS + 1)}
    for nomes in skus(distribuicao, itens):
        assert len(nomes) == itens
        assert nomes == sorted(set(nomes))
        assert set(nomes) <= existentes


def test_uniform_items_come_from_a_range_each_like_the_baselines() -> None:
    tercos = zip(*skus("uniforme", 3, 20_000), strict=True)
    for nomes, (de, ate) in zip(tercos, [(1, 3333), (3334, 6666), (6667, 10_000)], strict=True):
        assert sku(de) <= min(nomes) < sku(de + 30)
        assert sku(ate - 30) < max(nomes) <= sku(ate)
        assert max(Counter(nomes).values()) < 30


def test_the_hot_sku_is_the_first_of_every_order() -> None:
    assert {nomes[0] for nomes in skus("quente", 3)} == {sku(1)}
    assert {nomes[0] for nomes in skus("quente", 1)} == {sku(1)}
    assert len({nomes[1] for nomes in skus("quente", 3)}) > 1000


def test_zipf_asks_for_a_rank_in_proportion_to_its_power() -> None:
    vezes = Counter(nomes[0] for nomes in skus("zipf", 1, 50_000))
    assert vezes[sku(1)] / vezes[sku(2)] == pytest.approx(2**1.1, rel=0.1)
    assert vezes[sku(1)] / 50_000 == pytest.approx(1 / pesos_acumulados(SKUS)[-1], rel=0.05)


def test_the_same_seed_gives_the_same_orders() -> None:
    primeiros, segundos = (list(islice(pedidos("zipf", 3, 5), 20)) for _ in range(2))
    assert primeiros == segundos
    assert primeiros != list(islice(pedidos("zipf", 3, 6), 20))
