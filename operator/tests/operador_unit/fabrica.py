"""StockItems, rows and doubles for the tables."""

from typing import Any

from msgspec.structs import replace

from operador.saldo import Saldo
from operador.stockitem import FINALIZER, Chave, StockItem

AGORA = "2026-11-24T12:00:00Z"
DEPOIS = "2026-11-24T12:05:00Z"

ITEM = StockItem(
    chave=Chave("loja", "camiseta"),
    uid="uid-1",
    versao=10,
    geracao=3,
    sku="CAMISETA",
    nome="Camiseta",
    quantidade=100,
    pausado=False,
    limite_baixo=None,
    finalizadores=(FINALIZER,),
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


def item(**campos: Any) -> StockItem:
    return replace(ITEM, **campos)


def saldo(**campos: Any) -> Saldo:
    return replace(SALDO, **campos)


class Relogio:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.agora = 1000.0

    def __call__(self) -> float:
        return self.agora
