"""The plan of a sale, from a seed: when each shopper arrives, what they order and what they do next. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Habit(StrEnum):
    """A shopper's behaviour after a reservation."""

    PAYS = "pays"
    PAYS_TWICE = "pays twice"
    PAYS_LATE = "pays late"
    ABANDONS = "abandons"
    CANCELS = "cancels"


_HABITS = {Habit.PAYS: 55, Habit.PAYS_TWICE: 10, Habit.PAYS_LATE: 10, Habit.ABANDONS: 20, Habit.CANCELS: 5}
PRODUCTS = (
    ("DEMO-TENIS-CORRIDA", "Tênis de corrida", 30),
    ("DEMO-FONE-BLUETOOTH", "Fone Bluetooth", 18),
    ("DEMO-CAMISETA", "Camiseta", 12),
    ("DEMO-MOCHILA", "Mochila", 10),
    ("DEMO-CAFETEIRA", "Cafeteira", 8),
    ("DEMO-LUMINARIA", "Luminária", 6),
    ("DEMO-GARRAFA", "Garrafa térmica", 5),
    ("DEMO-CADERNO", "Caderno", 4),
    ("DEMO-CANECA", "Caneca", 4),
    ("DEMO-LIVRO", "Livro", 3),
)
"""SKU, name, and its share of the units and of the demand, in percent."""
RESTOCKED = PRODUCTS[0][0]
BROKER = "rabbitmq"


@dataclass(frozen=True)
class Size:
    """The size of a sale: shoppers, units for sale, restocked units, the seconds in which the shoppers arrive, and
    how long a reservation lasts on a system started by the demonstration.
    """

    shoppers: int
    units: int
    restock: int
    seconds: float
    ttl: int


FULL = Size(shoppers=5000, units=1000, restock=200, seconds=80, ttl=10)
FAST = Size(shoppers=800, units=160, restock=40, seconds=12, ttl=5)


@dataclass(frozen=True)
class Shopper:
    """One shopper; times are seconds from the opening, `pause` from the reservation to the next step."""

    number: int
    arrives: float
    cart: tuple[tuple[str, int], ...]
    habit: Habit
    pause: float


@dataclass(frozen=True)
class Sale:
    """A whole sale: the units of each SKU, and the shoppers in the order in which they arrive."""

    seed: int
    size: Size
    units: tuple[tuple[str, int], ...]
    shoppers: tuple[Shopper, ...]

    @property
    def skus(self) -> list[str]:
        """The SKUs for sale."""
        return [sku for sku, _ in self.units]


def sale(seed: int, size: Size) -> Sale:
    """The plan; the same seed and size give the same one."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    shoppers = sorted((_shopper(rng, size) for _ in range(size.shoppers)), key=lambda one: one.arrives)
    numbered = (
        Shopper(number, one.arrives, one.cart, one.habit, one.pause) for number, one in enumerate(shoppers, start=1)
    )
    return Sale(seed, size, _units(size.units), tuple(numbered))


def _units(total: int) -> tuple[tuple[str, int], ...]:
    shares = {sku: total * share // 100 for sku, _, share in PRODUCTS}
    shares[RESTOCKED] += total - sum(shares.values())
    return tuple(shares.items())


def _shopper(rng: random.Random, size: Size) -> Shopper:
    """Most arrive soon after the opening."""
    arrives = rng.betavariate(1.1, 2.2) * size.seconds
    count = rng.choices((1, 2, 3), (50, 30, 20))[0]
    chosen: dict[str, int] = {}
    while len(chosen) < count:
        sku = rng.choices([sku for sku, _, _ in PRODUCTS], [share for _, _, share in PRODUCTS])[0]
        chosen.setdefault(sku, rng.choices((1, 2), (85, 15))[0])
    habit = rng.choices(list(_HABITS), list(_HABITS.values()))[0]
    return Shopper(0, arrives, tuple(chosen.items()), habit, rng.uniform(0.2, 2.0))


@dataclass(frozen=True)
class Disturbance:
    """A disturbance of the system; `at` is a fraction of the time in which shoppers arrive."""

    at: float
    action: str
    part: str


def disturbances(parts: list[str], *, restarts_broker: bool, restocks: bool) -> list[Disturbance]:
    """The given parts are killed one after another; in between the broker is restarted and one SKU restocked."""
    kills = [Disturbance(0.10 + 0.75 * i / max(1, len(parts)), "kill", part) for i, part in enumerate(parts)]
    broker = [Disturbance(0.40, "restart", BROKER)] if restarts_broker else []
    restock = [Disturbance(0.55, "restock", RESTOCKED)] if restocks else []
    return sorted([*kills, *broker, *restock], key=lambda one: one.at)
