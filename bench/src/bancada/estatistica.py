"""Ratios over rounds. Pure."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Resumo(NamedTuple):
    """Median and minimum of the same figure over all rounds."""

    mediana: float
    minimo: float
    rodadas: int


def resumir(valores: Sequence[float]) -> Resumo:
    """Raises ValueError when there are none."""
    if not valores:
        raise ValueError("no round has been measured")
    return Resumo(median(valores), min(valores), len(valores))


def razoes(cima: Sequence[float], baixo: Sequence[float]) -> list[float]:
    """Round by round: what was measured side by side is compared, nothing else.

    Raises ValueError where one of them lacks a round.
    """
    return [a / b for a, b in zip(cima, baixo, strict=True)]
