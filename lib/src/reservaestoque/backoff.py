"""The time to wait before trying again."""

import asyncio
import random


def delay(failures: int, *, first: float = 0.5, longest: float = 10.0) -> float:
    """Seconds to wait: `first` doubled `failures` times, at most `longest`, minus a random share of up to half."""
    ceiling = min(longest, first * 2.0 ** min(failures, 16))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


async def back_off(failures: int, *, longest: float = 5.0) -> None:
    """Sleeps after failure number `failures`: at most 100 ms after the first, longer after each further one."""
    await asyncio.sleep(delay(failures, first=0.05, longest=longest))
