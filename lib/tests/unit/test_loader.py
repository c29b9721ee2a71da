"""Reads by key share queries, and a failure reaches the callers that share it."""

import asyncio
from collections.abc import Sequence

import pytest

from reservaestoque.postgres import CrowdedError, Loader, is_transient


class PartyDatabase:
    """Records the requested keys, and answers when told to."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.answer = asyncio.Event()
        self.fault: Exception | None = None

    async def read(self, keys: Sequence[str]) -> dict[str, str]:
        self.queries.append(list(keys))
        await self.answer.wait()
        if self.fault:
            raise self.fault
        return {key: key.upper() for key in keys if key != "missing"}


async def order(loader: Loader[str, str], *keys: str) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(loader.get(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_callers_that_arrive_during_a_query_share_the_next():
    database = PartyDatabase()
    loader = Loader(database.read)
    first = await order(loader, "a")
    after = await order(loader, "b", "missing", "a", "b")
    database.answer.set()
    assert await asyncio.gather(*first, *after) == ["A", "B", None, "A", "B"]
    assert database.queries == [["a"], ["b", "missing", "a"]], "a request during a query gets the state after it"


async def test_the_number_of_keys_per_query_is_bounded():
    database = PartyDatabase()
    loader = Loader(database.read, max_keys=2)
    database.answer.set()
    tasks = await order(loader, *"abcde")
    await asyncio.gather(*tasks)
    assert [len(keys) for keys in database.queries] == [2, 2, 1]


async def test_a_failure_reaches_the_callers_of_that_query_and_no_others():
    database = PartyDatabase()
    database.fault = ConnectionError("unavailable")
    loader = Loader(database.read)
    tasks = await order(loader, "a")
    database.answer.set()
    with pytest.raises(ConnectionError):
        await tasks[0]
    database.fault = None
    assert await loader.get("b") == "B"


async def test_a_cancelled_caller_does_not_deprive_the_others_of_the_answer():
    database = PartyDatabase()
    loader = Loader(database.read)
    one, other = await order(loader, "a", "a")
    one.cancel()
    database.answer.set()
    assert await other == "A"


async def test_when_too_many_wait_the_next_is_rejected_at_once():
    loader = Loader(PartyDatabase().read, max_waiting=2)
    tasks = await order(loader, "a") + await order(loader, "b", "c")
    with pytest.raises(CrowdedError) as crowded:
        await loader.get("d")
    assert is_transient(crowded.value)
    for task in tasks:
        task.cancel()
