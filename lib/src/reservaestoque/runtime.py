"""How a program runs: on uvloop, with a garbage collector for very many small things that live shortly."""

import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

YOUNG_OBJECTS = 100_000
"""Objects more than before, made and not freed yet, after which the collector looks at the youngest.

By default 700, which hundreds of requests under way exceed without leaving anything behind: it would then walk
through all that is alive many times a second, and find nothing.
"""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end; returns what it returns, raises what it raises.

    What has been imported by now is there to stay, so the collector does not look at it again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    return uvloop.run(main)
