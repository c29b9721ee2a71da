"""StockItems, stock rows and statuses for the operator's tests."""

from typing import Any

from msgspec.structs import replace

from operador.decide.conditions import status_from_saldo
from operador.decide.outcome import assess
from operador.decide.saldo import Saldo
from operador.decide.stockitem import FINALIZER, ItemKey, Status, StockItem

NOW = "2026-11-24T12:00:00Z"
LATER = "2026-11-24T12:05:00Z"

ITEM = StockItem(
    key=ItemKey("loja", "camiseta"),
    uid="uid-1",
    version=10,
    generation=3,
    sku="CAMISETA",
    nome="Camiseta",
    quantidade=100,
    paused=False,
    limite_baixo=None,
    finalizers=(FINALIZER,),
)
SALDO = Saldo(
    sku="CAMISETA",
    dono="loja/camiseta",
    situacao="Ativo",
    alvo=100,
    quantidade=100,
    reservado=0,
    vendido=0,
    disponivel=100,
    limite_baixo=None,
)


def item(**fields: Any) -> StockItem:
    return replace(ITEM, **fields)


def saldo(**fields: Any) -> Saldo:
    return replace(SALDO, **fields)


def status(stock_item: StockItem, row: Saldo, previous: Status | None = None, now: str = NOW) -> Status:
    """The status that the operator writes for an item with this row."""
    return status_from_saldo(stock_item, row, assess(stock_item, row), previous, now)


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
