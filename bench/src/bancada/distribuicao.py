"""Which SKUs an order names. Pure: the same seed gives the same orders."""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator

SKUS = 10_000
CLIENTES = 100_000
EXPOENTE = 1.1
DISTRIBUICOES = ("uniforme", "quente", "zipf")


def sku(numero: int) -> str:
    """The name of SKU 1, 2, …: `SKU-0000001`."""
    return f"SKU-{numero:07}"


def pedidos(distribuicao: str, itens: int, semente: int, skus: int = SKUS) -> Iterator[dict[str, object]]:
    """Bodies of POST /pedidos without end, each of `itens` different SKUs, one unit of each."""
    sorteio = random.Random(semente)  # noqa: S311 - not a secret
    escolher = _ESCOLHAS[distribuicao]
    acumulado = pesos_acumulados(skus) if distribuicao == "zipf" else []
    while True:
        numeros = escolher(sorteio, itens, skus, acumulado)
        yield {
            "clienteId": f"cliente-{sorteio.randrange(CLIENTES)}",
            "itens": [{"sku": sku(numero), "quantidade": 1} for numero in numeros],
        }


def pesos_acumulados(skus: int) -> list[float]:
    """Zipf's law: the SKU of rank r is asked for in proportion to r ** -1.1."""
    return list(itertools.accumulate(rank**-EXPOENTE for rank in range(1, skus + 1)))


def _uniforme(sorteio: random.Random, itens: int, skus: int, _: list[float]) -> list[int]:
    """As the baseline's: the SKUs in as many ranges as there are items, one of each."""
    return _um_de_cada(sorteio, 1, skus, itens)


def _quente(sorteio: random.Random, itens: int, skus: int, _: list[float]) -> list[int]:
    """As the baseline's: SKU 1 first, the others uniform."""
    return [1, *_um_de_cada(sorteio, 2, skus, itens - 1)]


def _zipf(sorteio: random.Random, itens: int, _: int, acumulado: list[float]) -> list[int]:
    numeros: set[int] = set()
    while len(numeros) < itens:
        numeros.add(bisect(acumulado, sorteio.random() * acumulado[-1]) + 1)
    return sorted(numeros)


def _um_de_cada(sorteio: random.Random, de: int, ate: int, partes: int) -> list[int]:
    limites = [de + (ate - de + 1) * parte // partes for parte in range(partes)] + [ate + 1] if partes else []
    return [sorteio.randrange(a, b) for a, b in itertools.pairwise(limites)]


_ESCOLHAS = {"uniforme": _uniforme, "quente": _quente, "zipf": _zipf}
