import asyncio
import contextlib

import pytest
from stock_item_factory import Clock, item

from operador.cluster.api import ConflictError, NotFoundError, UnavailableError
from operador.cluster.event_recorder import EventRecorder
from operador.cluster.status_writer import StatusWriter
from operador.decide.stockitem import Status
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue


def status(n):
    return Status("CAMISETA", 3, (), disponivel=n)


class Api:
    """Accepts statuses; raises the given errors first."""

    def __init__(self, *faults):
        self.faults, self.written = list(faults), []

    async def patch_status(self, _, new, now):
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        self.written.append(new.disponivel)
        return 50


@pytest.fixture
async def build():
    async with contextlib.AsyncExitStack() as stack:

        async def with_api(api):
            cache, queue = Cache(), WorkQueue(Clock())
            cache.observe(item(), status(0))
            writer = StatusWriter(api, cache, queue, EventRecorder(api))
            working = asyncio.create_task(writer.run())
            stack.callback(working.cancel)
            return writer, cache, queue

        yield with_api


async def test_an_unchanged_status_is_not_written(build):
    api = Api()
    writer, *_ = await build(api)
    writer.propose(item(), status(0))
    await asyncio.sleep(0.05)
    assert api.written == []


async def test_a_burst_costs_few_writes_and_ends_with_the_last_status(build):
    api = Api()
    writer, *_ = await build(api)
    for n in range(1, 200):
        writer.propose(item(), status(n))
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert api.written[0] == 1, "the first change is written at once"
    assert len(api.written) == 3, "the burst allows three"
    await asyncio.sleep(3.1)
    assert api.written[3:] == [199], "and the last one is written in the end"


async def test_a_change_reverted_before_it_was_written_costs_nothing(build):
    api = Api()
    writer, *_ = await build(api)
    writer.propose(item(), status(1))
    writer.propose(item(), status(0))
    await asyncio.sleep(0.05)
    assert api.written == []


async def test_a_failed_write_is_tried_again(build):
    api = Api(UnavailableError("503"))
    writer, cache, _ = await build(api)
    writer.propose(item(), status(7))
    await asyncio.sleep(0.7)
    assert api.written == [7]
    assert cache.get(item().key).status == status(7)


async def test_an_item_deleted_meanwhile_is_not_an_error(build):
    api = Api(NotFoundError("404"))
    writer, *_ = await build(api)
    writer.propose(item(), status(7))
    await asyncio.sleep(0.7)
    assert api.written == []


async def test_after_a_conflict_the_item_is_queued_again(build):
    api = Api(ConflictError("409"))
    writer, cache, queue = await build(api)
    writer.propose(item(), status(7))
    await asyncio.sleep(0.05)
    assert (api.written, len(queue), queue.ready) == ([], 1, 0), (
        "soon, once the watch has delivered the current version"
    )
    assert cache.get(item().key).status == status(0), "nothing was written"


async def test_a_proposal_for_another_object_of_the_same_name_is_dropped(build):
    api = Api()
    writer, *_ = await build(api)
    writer.propose(item(uid="uid-2"), status(7))
    await asyncio.sleep(0.05)
    assert api.written == []
