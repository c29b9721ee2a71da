"""Back-off with jitter."""

import random


def recuo(tentativa: int, *, base: float = 0.5, teto: float = 10.0) -> float:
    """Seconds to wait before the next try: doubling from `base` up to `teto`, a random half of it taken off."""
    inteiro = min(teto, base * (1 << min(tentativa, 16)))
    return inteiro * random.uniform(0.5, 1.0)  # noqa: S311 (not for cryptography)
