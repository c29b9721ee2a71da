"""How long to wait before trying again."""

import asyncio
import random


def delay(failures: int, *, first: float = 0.5, longest: float = 10.0) -> float:
    """Seconds: `first` doubled `failures` times, `longest` at most, less up to half of it at random."""
    ceiling = min(longest, first * 2.0 ** min(failures, 16))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


async def back_off(failures: int, *, longest: float = 5.0) -> None:
    """Sleeps after failure number `failures`: 100 ms at most after the first, then ever longer."""
    await asyncio.sleep(delay(failures, first=0.05, longest=longest))
