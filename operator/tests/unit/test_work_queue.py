import asyncio

from stock_item_factory import Clock, item

from operador.memory import work_queue
from operador.memory.work_queue import WorkQueue


async def test_the_latest_version_of_each_is_taken_once():
    queue = WorkQueue(Clock())
    queue.add(item(version=1))
    queue.add(item(version=3))
    queue.add(item(version=2))
    queue.add(item(sku="OTHER"))
    assert [(i.sku, i.version) for i in await queue.take(10, 0.01)] == [("CAMISETA", 3), ("OTHER", 10)]
    assert await queue.take(10, 0.01) == []


async def test_no_more_items_are_taken_than_requested():
    queue = WorkQueue(Clock())
    for n in range(5):
        queue.add(item(sku=str(n)))
    assert [i.sku for i in await queue.take(3, 0.01)] == ["0", "1", "2"]
    assert [i.sku for i in await queue.take(3, 0.01)] == ["3", "4"]


async def test_items_that_keep_arriving_are_taken_together(monkeypatch):
    arriving = iter(range(100))
    queue = WorkQueue(Clock())

    async def more_arrive(_: float) -> None:
        queue.add(item(sku=str(next(arriving))))

    monkeypatch.setattr(work_queue.asyncio, "sleep", more_arrive)
    queue.add(item(sku="first"))
    assert len(await queue.take(4, 0.01)) == 4
    queue.add(item(sku="second"))
    assert len(await queue.take(100, 0.01)) == 11, "no item waits for ever"


async def test_an_item_that_stays_alone_is_taken_soon():
    queue = WorkQueue(Clock())
    queue.add(item())
    async with asyncio.timeout(0.1):
        assert await queue.take(10, 5) == [item()]


async def test_deferred_items_return_when_due():
    clock = Clock()
    queue = WorkQueue(clock)
    queue.defer(item(), 5)
    assert await queue.take(10, 0.01) == []
    clock.now += 5
    assert await queue.take(10, 0.01) == [item()]


async def test_a_newer_version_replaces_a_deferred_one():
    clock = Clock()
    queue = WorkQueue(clock)
    queue.defer(item(version=1), 5)
    queue.add(item(version=2))
    queue.defer(item(version=1), 5)
    assert [i.version for i in await queue.take(10, 0.01)] == [2]
    clock.now += 10
    assert await queue.take(10, 0.01) == []


async def test_deferring_again_replaces_the_earlier_due_time():
    clock = Clock()
    queue = WorkQueue(clock)
    queue.defer(item(), 5)
    queue.defer(item(), 50)
    clock.now += 10
    assert await queue.take(10, 0.01) == []
    assert len(queue) == 1


async def test_an_item_that_is_retried_has_waited_since_it_was_added():
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(item())
    for _ in range(3):
        clock.now += 20
        [taken] = await queue.take(10, 0.01)
        queue.retry(taken, 0.5)
        clock.now += 0.5
    assert queue.oldest_seconds == 61.5
    assert await queue.take(10, 0.01) == [item()]
    assert queue.oldest_seconds == 61.5, "it is being processed"
    await queue.take(10, 0.01)
    assert queue.oldest_seconds == 0, "it has been processed"


async def test_a_newer_version_of_an_item_that_is_retried_has_waited_as_long():
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(item(version=1))
    [taken] = await queue.take(10, 0.01)
    clock.now += 30
    queue.add(item(version=2))
    queue.retry(taken, 0.5)
    assert queue.oldest_seconds == 30
    assert [i.version for i in await queue.take(10, 0.01)] == [2]
    queue.retry(item(version=2), 0.5)
    queue.add(item(version=3))
    clock.now += 10
    assert queue.oldest_seconds == 40
