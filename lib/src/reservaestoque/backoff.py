"""How long to wait before trying again."""

import asyncio
import random


async def back_off(failures: int, *, longest: float = 5.0) -> None:
    """Sleeps after failure number `failures`: 100 ms, doubling up to `longest` seconds, half of it random."""
    ceiling = min(longest, 0.05 * 2 ** min(failures, 16))
    await asyncio.sleep(ceiling * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
