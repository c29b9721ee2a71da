"""The SKUs that orders name."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from bench.distribution import DISTRIBUTIONS, SKUS, cumulative_weights, pedidos, sku


def skus(distribution: str, itens: int, count: int = 2000) -> list[list[str]]:
    bodies: list[Any] = list(islice(pedidos(distribution, itens, seed=1), count))
    return [[item["sku"] for item in body["itens"]] for body in bodies]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("itens", [1, 3])
def test_an_order_names_distinct_skus_in_order(distribution: str, itens: int) -> None:
    existing = {sku(number) for number in range(1, SKUS + 1)}
    for names in skus(distribution, itens):
        assert len(names) == itens
        assert names == sorted(set(names))
        assert set(names) <= existing


def test_uniform_items_come_from_one_range_each() -> None:
    thirds = zip(*skus("uniform", 3, 20_000), strict=True)
    for names, (low, high) in zip(thirds, [(1, 3333), (3334, 6666), (6667, 10_000)], strict=True):
        assert sku(low) <= min(names) < sku(low + 30)
        assert sku(high - 30) < max(names) <= sku(high)
        assert max(Counter(names).values()) < 30


def test_the_hot_sku_is_the_first_of_every_order() -> None:
    assert {names[0] for names in skus("hot", 3)} == {sku(1)}
    assert {names[0] for names in skus("hot", 1)} == {sku(1)}
    assert len({names[1] for names in skus("hot", 3)}) > 1000


def test_zipf_weights_are_powers_of_the_rank() -> None:
    times = Counter(names[0] for names in skus("zipf", 1, 50_000))
    assert times[sku(1)] / times[sku(2)] == pytest.approx(2**1.1, rel=0.1)
    assert times[sku(1)] / 50_000 == pytest.approx(1 / cumulative_weights(SKUS)[-1], rel=0.05)


def test_the_same_seed_gives_the_same_orders() -> None:
    first, second = (list(islice(pedidos("zipf", 3, 5), 20)) for _ in range(2))
    assert first == second
    assert first != list(islice(pedidos("zipf", 3, 6), 20))
