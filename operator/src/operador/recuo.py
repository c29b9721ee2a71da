"""How long the operator waits before it tries something again."""

from reservaestoque.backoff import delay


def recuo(tentativa: int, *, teto: float = 10.0) -> float:
    """Seconds: half a second doubled `tentativa` times, `teto` at most; up to half of it taken off at random."""
    return delay(tentativa, first=0.5, longest=teto)
