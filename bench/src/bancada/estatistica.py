"""Ratios over rounds. Pure."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Resumo(NamedTuple):
    """Median, minimum and maximum of the same figure over all rounds."""

    mediana: float
    minimo: float
    maximo: float
    rodadas: int


def resumir(valores: Sequence[float]) -> Resumo:
    """Raises ValueError when there are none."""
    if not valores:
        raise ValueError("no round has been measured")
    return Resumo(median(valores), min(valores), max(valores), len(valores))
