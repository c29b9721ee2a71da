"""Quantiles of the observations that a histogram counted between two scrapes. Pure: no I/O, no clock."""

import math
from collections.abc import Mapping

Buckets = Mapping[float, float]
"""Cumulative counts by upper bound, of which the last is infinite."""


def growth(before: Buckets, after: Buckets) -> dict[float, float]:
    """The counts added between the two; all of `after` if the program was restarted and its counts reset."""
    restarted = any(after.get(bound, 0.0) < count for bound, count in before.items())
    return {bound: count - (0.0 if restarted else before.get(bound, 0.0)) for bound, count in after.items()}


def total(buckets: Buckets) -> float:
    """The number of observations."""
    return buckets.get(math.inf, 0.0)


def quantile(share: float, buckets: Buckets) -> float | None:
    """The value below which this share of the observations falls; None without observations.

    Like Prometheus' histogram_quantile: linear within a bucket; the last finite bound for values above it.
    """
    count = total(buckets)
    if count <= 0:
        return None
    rank = share * count
    lower, below = 0.0, 0.0
    for bound, upto in sorted(buckets.items()):
        if upto >= rank and upto > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (upto - below)
        if not math.isinf(bound):
            lower = bound
        below = upto
    return lower
