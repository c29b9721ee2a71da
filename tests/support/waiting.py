"""Waiting for a condition, as tests do."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T] | T], seconds: float = 30, *, every: float = 0.05) -> T:
    """The result of `condition` once it is true. Raises TimeoutError with its last result."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        value: T = await asyncio.wait_for(result, seconds) if inspect.isawaitable(result) else result
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not true after {seconds} s; last value {value!r}")
        await asyncio.sleep(every)
