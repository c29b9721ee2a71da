"""How the resync and the balances handle rows, with doubles of the API server and of PostgreSQL."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from stock_item_factory import NOW, Clock, saldo
from stock_item_factory import status as status_of

from operador.cluster.api import NotFoundError
from operador.decide.stockitem import read_item, read_status, status_body
from operador.loops.balances import Balances
from operador.loops.reconciler import Reconciler
from operador.loops.resync import HistoryRewoundError, Resync
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from operador.stock.database import Changes, Position
from reservaestoque.periodic import Pace, Periodic

START = Position(7, 70, 1)


class Database:
    """Rows, and the calls that read them. `log` has the pages of changes."""

    def __init__(self, *rows):
        self.rows, self.log, self.read_from = list(rows), [], []

    async def newest_change(self):
        return START

    async def pages(self):
        for row in self.rows:
            yield [row]

    async def changed_since(self, position):
        self.read_from.append(position)
        await asyncio.sleep(0)
        return self.log.pop(0) if self.log else Changes([], position, False)


class Api:
    def __init__(self, version, *bodies):
        self.version, self.bodies = version, bodies
        self.unknown, self.asked = False, []

    @property
    def lists(self):
        return len(self.asked)

    async def probe(self):
        if self.unknown:
            raise NotFoundError("404")

    async def pages(self, *, not_before):
        self.asked.append(not_before)
        self.meanwhile()
        yield list(self.bodies), self.version

    def meanwhile(self):
        """What happens while a list is on its way."""


class Finalizer:
    """Every item has its finalizer."""

    async def attach(self, items):
        return items

    async def detach(self, items):
        assert not items


class StatusWriter:
    def __init__(self):
        self.proposals = []

    def propose_saldo(self, item, saldo, outcome):
        self.proposals.append((item.sku, saldo.disponivel))


def body(name="camiseta", *, generation=1, seen_generation=1, version="10", **more):
    """A StockItem whose generation `seen_generation` has been synchronised."""
    spec = {"sku": name.upper(), "name": "Camiseta", "quantity": 100}
    meta = {
        "namespace": "loja",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": version,
        "generation": generation,
        "finalizers": ["reservaestoque.dev/estoque"],
        **more,
    }
    obj = {"metadata": meta, "spec": spec}
    if seen_generation:
        item = read_item({**obj, "metadata": {**meta, "generation": seen_generation}})
        seen = status_of(item, saldo(sku=item.sku, dono=f"loja/{name}"))
        obj["status"] = status_body(seen, NOW)
    return obj


class World:
    def __init__(self, api, database, *, watched=True):
        self.cache, self.queue, self.writer, self.database = Cache(), WorkQueue(Clock()), StatusWriter(), database
        self.balances = Balances(database=database, cache=self.cache, queue=self.queue, writer=self.writer)
        self.resync = Resync(
            api=api,
            database=database,
            cache=self.cache,
            queue=self.queue,
            balances=self.balances,
            namespace="",
            beat=lambda: None,
        )
        if watched:
            self.resync.watch_began(40)

    async def resync_for(self, seconds=0.05, every=60.0):
        await run_for(seconds, self.resync.step, every, self.resync.wake)

    async def waiting(self):
        if not self.queue.ready:
            return []
        return sorted(item.sku for item in await self.queue.take(100, 0.1))


async def run_for(seconds, step, every, wake=None):
    loop = Periodic(
        step,
        name="test",
        pace=Pace(every=timedelta(seconds=every)),
        transient=(NotFoundError,),
        wake=wake,
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await loop.run()


CAMISETA = saldo(sku="CAMISETA", dono="loja/camiseta")
TABLE = [
    ("in sync", body(), [CAMISETA], []),
    ("new", body(seen_generation=0), [], ["CAMISETA"]),
    ("a new spec", body(generation=2), [CAMISETA], ["CAMISETA"]),
    ("no row", body(), [], ["CAMISETA"]),
    ("a row changed by hand", body(), [saldo(sku="CAMISETA", dono="loja/camiseta", alvo=99)], ["CAMISETA"]),
    ("a row of another item", body(), [saldo(sku="CAMISETA", dono="other/x")], ["CAMISETA"]),
    ("without our finalizer", body(finalizers=[]), [CAMISETA], ["CAMISETA"]),
    ("being deleted", body(deletionTimestamp=NOW), [CAMISETA], ["CAMISETA"]),
    ("a row that its deleted item has not released yet", body(),
     [CAMISETA, saldo(sku="B", dono="loja/b", situacao="Encerrando")], ["B"]),
    ("a row without an item", body(), [CAMISETA, saldo(sku="B", dono="loja/b")], []),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "rows", "expected"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
async def test_a_resync_queues_what_is_out_of_sync(obj, rows, expected):
    world = World(Api(50, obj), Database(*rows))
    await world.resync_for()
    assert await world.waiting() == expected


async def test_changes_received_during_a_batch_are_read_again():
    """The batch's later proposals may be older."""
    database = Database(CAMISETA)
    world = World(Api(50, body(seen_generation=0)), database)
    await world.resync_for()

    async def meanwhile(items):
        world.balances.start(Position(8, 71, 1))
        return {("loja/camiseta", "CAMISETA"): CAMISETA}

    database.sync = meanwhile
    reconciler = Reconciler(
        database=database,
        queue=world.queue,
        cache=world.cache,
        finalizer=Finalizer(),
        writer=world.writer,
        balances=world.balances,
        deletion_seconds=1,
    )
    await reconciler.step()
    assert world.writer.proposals[-1] == ("CAMISETA", 100)
    assert world.balances.position == START


async def test_nothing_is_listed_before_it_is_watched():
    api = Api(50, body())
    world = World(api, Database(CAMISETA), watched=False)
    await world.resync_for()
    assert (api.lists, world.resync.defined.is_set()) == (0, True)
    world.resync.watch_began(40)
    await world.resync_for()
    assert (api.lists, world.resync.compared.is_set()) == (1, True)


async def test_a_new_watch_calls_for_a_list():
    api = Api(50, body())
    world = World(api, Database(CAMISETA))
    asyncio.get_running_loop().call_later(0.05, world.resync.watch_began, 60)
    await world.resync_for(seconds=0.15)
    assert api.lists == 2, "long before the interval is over"


async def test_a_list_for_a_new_watch_is_no_older_than_it_and_any_other_is_the_newest():
    """A list from the API server's memory suffices only if the watch shows everything later."""
    api = Api(50, body())
    world = World(api, Database(CAMISETA))
    await world.resync_for()
    await world.resync_for(seconds=0.05, every=0.02)
    assert api.asked[:2] == [40, 0]


async def test_a_watch_older_than_the_last_list_calls_for_the_newest():
    """One of several API servers may lag: a list from its memory might be older than the cache."""
    api = Api(50, body())
    world = World(api, Database(CAMISETA))
    await world.resync_for()
    world.resync.watch_began(49)
    await world.resync_for()
    assert api.asked == [40, 0]


async def test_while_the_api_server_does_not_know_stockitems_nothing_is_watched():
    api = Api(50, body())
    api.unknown = True
    world = World(api, Database(CAMISETA))
    await world.resync_for()
    assert (api.lists, world.resync.defined.is_set()) == (0, False)


async def test_a_list_older_than_the_last_one_ends_the_program():
    api = Api(50, body())
    world = World(api, Database(CAMISETA))
    await world.resync_for()
    api.version = 49
    with pytest.raises(HistoryRewoundError):
        await world.resync_for()


async def test_a_list_older_than_a_known_version_ends_the_program():
    """etcd was restored, and has had so many writes since that its revision is beyond the last list's."""
    world = World(Api(50, body()), Database(CAMISETA))
    world.cache.observe(read_item(body(version="51")), read_status(body()))
    with pytest.raises(HistoryRewoundError):
        await world.resync_for()
    assert world.resync._api.asked == [0], "the watch began at 40: a list from memory would be no proof"


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_list_that_has_an_older_version_of_an_item_than_was_known_ends_the_program(deleted):
    """etcd was restored with a higher revision, as `etcdutl snapshot restore --bump-revision` does."""
    world = World(Api(50, body(version="10")), Database(CAMISETA))
    known = read_item(body(version="45"))
    world.cache.observe(known, read_status(body()))
    if deleted:
        world.cache.remove(known)
    with pytest.raises(HistoryRewoundError):
        await world.resync_for()


async def test_what_changes_while_a_list_is_read_does_not_end_the_program():
    api = Api(50, body(version="10"))
    world = World(api, Database(CAMISETA))
    changed = read_item(body(version="51"))
    api.meanwhile = lambda: world.cache.observe(changed, read_status(body()))
    await world.resync_for()
    assert (api.lists, world.cache.get(changed.key).item.version) == (1, 51)


async def test_what_is_deleted_while_a_list_is_read_does_not_end_the_program():
    api = Api(50, body(version="10"))
    world = World(api, Database(CAMISETA))
    api.meanwhile = lambda: world.cache.remove(read_item(body(version="51"), gone=True))
    await world.resync_for()
    assert (api.lists, len(world.cache)) == (1, 0)


@pytest.mark.parametrize("known", ["50", "49"])
async def test_a_list_that_has_what_was_known_is_accepted(known):
    """Also a list of exactly the highest known version, and a StockItem that was deleted and created again."""
    api = Api(50, body(version="50"))
    world = World(api, Database(CAMISETA))
    world.cache.observe(read_item(body(version=known)), read_status(body()))
    if known == "49":
        world.cache.remove(read_item(body(version=known), gone=True))
    await world.resync_for()
    assert (api.lists, len(world.cache)) == (1, 1)


async def test_changes_are_read_from_where_the_last_read_ended_and_each_is_reported_once():
    world = World(Api(50), Database())
    world.cache.observe(read_item(body()), read_status(body()))
    await world.balances.step()
    assert world.database.read_from == [], "not before everything has been compared"
    world.balances.start(START)
    seven = saldo(sku="CAMISETA", dono="loja/camiseta", disponivel=7)
    middle, end = Position(8, 80, 500), Position(9, 90, 3)
    world.database.log = [Changes([seven], middle, True), Changes([], end, False)]
    assert [await world.balances.step() for _ in range(3)] == [True, False, False]
    assert world.database.read_from == [START, middle, end]
    assert world.writer.proposals == [("CAMISETA", 7)]


async def test_a_resync_during_a_read_has_the_changes_read_again():
    """The resync may have proposed older numbers meanwhile."""
    world = World(Api(50), Database())
    world.cache.observe(read_item(body()), read_status(body()))
    world.balances.start(START)
    world.database.log = [Changes([saldo(sku="CAMISETA", dono="loja/camiseta")], Position(8, 80, 1), False)]
    reading = asyncio.create_task(world.balances.step())
    await asyncio.sleep(0)
    world.balances.start(again := Position(7, 70, 1))
    assert await reading, "there is more to do at once"
    await world.balances.step()
    assert world.database.read_from[1] is again


async def test_a_position_that_the_log_has_lost_calls_for_a_resync():
    world = World(Api(50, body()), Database(CAMISETA))
    await world.resync_for()
    world.database.log = [None]
    assert not await world.balances.step()
    assert world.resync.wake.is_set()
    await world.balances.step()
    assert len(world.database.read_from) == 1, "nothing is read before everything has been compared again"
    await world.resync_for()
    await world.balances.step()
    assert world.database.read_from[1:] == [START]


async def test_a_released_sku_wakes_the_items_that_wait_for_it():
    world = World(Api(50), Database())
    waiting = read_item(body())
    world.cache.observe(waiting, None)
    world.cache.wait_for_sku(waiting)
    world.balances.start(START)
    free = saldo(sku="CAMISETA", dono=None, situacao="Encerrado")
    world.database.log = [Changes([free], Position(8, 80, 1), False), Changes([free], Position(9, 90, 1), False)]
    await world.balances.step()
    assert await world.waiting() == ["CAMISETA"]
    await world.balances.step()
    assert await world.waiting() == [], "each wait is woken once"
