"""The SKUs that orders name. Pure: a seed determines the orders."""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator

SKUS = 10_000
CUSTOMERS = 100_000
EXPONENT = 1.1
DISTRIBUTIONS = ("uniform", "hot", "zipf")


def sku(number: int) -> str:
    """The name of SKU 1, 2, …: `SKU-0000001`."""
    return f"SKU-{number:07}"


def pedidos(distribution: str, itens: int, seed: int, skus: int = SKUS) -> Iterator[dict[str, object]]:
    """An endless stream of bodies for POST /pedidos, each with one unit of `itens` distinct SKUs."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    choose = _CHOICES[distribution]
    cumulative = cumulative_weights(skus) if distribution == "zipf" else []
    while True:
        numbers = choose(rng, itens, skus, cumulative)
        yield {
            "clienteId": f"cliente-{rng.randrange(CUSTOMERS)}",
            "itens": [{"sku": sku(number), "quantidade": 1} for number in numbers],
        }


def cumulative_weights(skus: int) -> list[float]:
    """Zipf's law: the weight of the SKU of rank r is r ** -EXPONENT."""
    return list(itertools.accumulate(rank**-EXPONENT for rank in range(1, skus + 1)))


def _uniform(rng: random.Random, itens: int, skus: int, _: list[float]) -> list[int]:
    """One SKU from each of `itens` equal ranges, as in the baseline."""
    return _one_of_each(rng, 1, skus, itens)


def _hot(rng: random.Random, itens: int, skus: int, _: list[float]) -> list[int]:
    """SKU 1 first, the others uniform, as in the baseline."""
    return [1, *_one_of_each(rng, 2, skus, itens - 1)]


def _zipf(rng: random.Random, itens: int, _: int, cumulative: list[float]) -> list[int]:
    numbers: set[int] = set()
    while len(numbers) < itens:
        numbers.add(bisect(cumulative, rng.random() * cumulative[-1]) + 1)
    return sorted(numbers)


def _one_of_each(rng: random.Random, low: int, high: int, parts: int) -> list[int]:
    bounds = [low + (high - low + 1) * part // parts for part in range(parts)] + [high + 1] if parts else []
    return [rng.randrange(a, b) for a, b in itertools.pairwise(bounds)]


_CHOICES = {"uniform": _uniform, "hot": _hot, "zipf": _zipf}
