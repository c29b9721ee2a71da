"""Batches of finalizer changes when the API server does not serve them."""

import asyncio

import pytest
from msgspec.structs import replace
from stock_item_factory import Clock, item

from operador.cluster.api import ConflictError, NotFoundError, UnavailableError
from operador.cluster.finalizer import Finalizer
from operador.decide.stockitem import FINALIZER, ItemKey
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue

ITEMS = [item(key=ItemKey("loja", f"item-{n}"), sku=f"ITEM-{n}", finalizers=()) for n in range(100)]


class Api:
    """Changes finalizers, or raises the fault for an item."""

    def __init__(self, fault=lambda _: None):
        self.fault, self.asked = fault, []

    async def set_finalizers(self, changed, finalizers):
        self.asked.append(changed.key.name)
        for _ in range(5 if changed.key.name == "item-0" else 1):  # which is answered later than others
            await asyncio.sleep(0)
        if fault := self.fault(changed.key.name):
            raise fault
        return replace(changed, finalizers=finalizers, version=11), None


class World:
    def __init__(self, fault=lambda _: None):
        self.api, self.clock = Api(fault), Clock()
        self.queue = WorkQueue(self.clock)
        self.finalizer = Finalizer(self.api, Cache(), self.queue)

    async def due(self, seconds):
        """The names of the items that are processed again within this time."""
        self.clock.now += seconds
        return {item.key.name for item in await self.queue.take(1000, 0.01)}


async def test_items_that_have_it_or_are_ending_need_no_request():
    world = World()
    given = [ITEMS[0], item(), item(finalizers=(), deleting=True), *ITEMS[1:]]
    ready = await world.finalizer.attach(given)
    assert [one.key for one in ready] == [one.key for one in given], "in their order"
    assert (ready[0].finalizers, ready[1:3]) == ((FINALIZER,), given[1:3])
    assert len(world.api.asked) == len(ITEMS)


async def test_after_an_unanswered_request_none_is_sent():
    world = World(lambda _: UnavailableError("TimeoutError: "))
    assert await world.finalizer.attach(ITEMS) == []
    assert len(world.api.asked) <= 16, "those that were under way"
    assert len(await world.due(2)) == 100, "all are processed again"


@pytest.mark.parametrize("status", [403, 500, 503])
async def test_an_item_that_is_refused_holds_up_no_other(status):
    world = World(lambda name: UnavailableError("no", status) if name == "item-7" else None)
    for _ in range(5):
        assert len(await world.finalizer.attach(ITEMS)) == 99
        assert await world.due(2) == {"item-7"}, "after a second or two, however often it is refused"


async def test_batches_that_fail_wait_longer_and_longer():
    world = World(lambda _: UnavailableError("503 Service Unavailable", 503))
    for _ in range(4):
        await world.finalizer.attach(ITEMS)
    assert len(world.api.asked) == 400
    assert await world.due(4.9) == set()
    assert len(await world.due(5.1)) == 100


async def test_conflicts_are_processed_again_and_missing_items_are_not():
    world = World({"item-1": ConflictError("409"), "item-2": NotFoundError("404")}.get)
    assert len(await world.finalizer.attach(ITEMS[:4])) == 2
    assert await world.due(1) == {"item-1"}
