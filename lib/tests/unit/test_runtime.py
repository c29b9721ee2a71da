"""How a program runs."""

import asyncio
import gc
import importlib
from collections.abc import Iterator

import pytest
import uvloop

from reservaestoque import runtime


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    limits = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*limits)


def test_it_returns_what_the_program_returns_and_runs_on_uvloop():
    async def program() -> type:
        return type(asyncio.get_running_loop())

    assert runtime.run(program()) is uvloop.Loop


def test_it_raises_what_the_program_raises():
    async def program() -> None:
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        runtime.run(program())


def test_hundreds_of_requests_in_progress_do_not_trigger_garbage_collection():
    async def program() -> int:
        before = gc.get_stats()[0]["collections"]
        futures = [asyncio.get_running_loop().create_future() for _ in range(2000)]
        await asyncio.sleep(0)
        now = gc.get_stats()[0]["collections"]
        assert not any(future.done() for future in futures)
        return now - before

    assert runtime.run(program()) == 0
    assert gc.get_freeze_count() > 0


def test_cycles_are_collected_all_the_same():
    importlib.reload(importlib.import_module("reservaestoque.imports"))
    assert not gc.isenabled()

    class Node:
        def __init__(self) -> None:
            self.eu = self

    async def program() -> int:
        for _ in range(2 * runtime.GC_THRESHOLD):
            Node()
        return sum(isinstance(object_, Node) for object_ in gc.get_objects())

    assert runtime.run(program()) < 2 * runtime.GC_THRESHOLD
