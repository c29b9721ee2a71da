"""Statistics over rounds. Pure."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Summary(NamedTuple):
    """Median, minimum and maximum of a figure over the rounds."""

    median: float
    minimum: float
    maximum: float
    rounds: int


def summarize(values: Sequence[float]) -> Summary:
    """Summarizes the figures. Raises ValueError when there are none."""
    if not values:
        raise ValueError("no round has been measured")
    return Summary(median(values), min(values), max(values), len(values))
