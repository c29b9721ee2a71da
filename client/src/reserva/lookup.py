"""Balances of many SKUs. Pure."""

from collections.abc import Iterator

from reserva.errors import NotFoundError
from reserva.operations import LARGEST_LOOKUP
from reserva.types import Consulta, Saldo
from reserva.wire import Answer


def batches(skus: list[str]) -> Iterator[list[str]]:
    """The SKUs, in batches no larger than one lookup may contain."""
    for begin in range(0, len(skus), LARGEST_LOOKUP):
        yield skus[begin : begin + LARGEST_LOOKUP]


def joined(found: list[Consulta]) -> Consulta:
    """The results of all batches as one."""
    return Consulta(
        tuple(saldo for one in found for saldo in one.itens), tuple(sku for one in found for sku in one.desconhecidos)
    )


def balance_in(found: Consulta, sku: str) -> Saldo:
    """The balance. Raises NotFoundError when the SKU is unknown."""
    for saldo in found.itens:
        if saldo.sku == sku:
            return saldo
    raise NotFoundError(Answer(404), {"detail": f"there is no SKU {sku[:64]!r}"})
