"""Production's data stores under their real operators: installed as the document says, then put through its faults.

Each fault occurs while customers order. Afterwards the data stores must recover on their own, `conferir` finds
nothing, and no answer to a customer is contradicted. The cost of each fault is recorded for docs/production.md.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import pytest
from cluster import ToolError
from cluster.document import section
from journey import (  # noqa: F401
    test_a_lapsed_reservation_is_reported_and_its_units_return,
    test_a_stock_item_that_is_applied_becomes_synced,
    test_an_order_is_reserved_and_its_units_are_held,
    test_an_order_that_lacks_one_item_holds_nothing_and_names_it,
    test_close_sells_the_units_and_is_final,
)
from production.faults import cut_off, paused
from production.history import Row
from production.load import Load
from production.system import DATABASES, DOCUMENT, SERVERS, Production
from shop import Shop
from waiting import until

from reservaestoque.bus.topology import QUEUES

pytestmark = pytest.mark.production

RECOVERY_SECONDS = 240
"""Seconds after a fault within which orders must flow steadily again."""
WHOLE_SECONDS = 300
"""Seconds after that within which every server, broker and replica must be healthy."""
FREEZE_SECONDS = 120
OPERATOR_IDLE_SECONDS = 25.0
"""CloudNativePG's operator keeps a connection to each server for 20 s after it has asked for its status. If that
server's node is lost meanwhile, the operator waits 30 s for an answer on that connection: docs/production.md, "A node
is lost"."""

SERVICES = ("pedidos", "estoque")

PRIMARY_DELETED_LIMIT = 10.0
NODE_LOST_LIMIT = 60.0
NODE_FROZEN_LIMIT = 90.0
"""Shorter than the freeze: recovery must not depend on the thaw."""
DECIDED_AFTER_LIMIT = 20.0
"""Seconds after which orders are decided again once the databases take writes."""


@pytest.fixture(scope="session")
def installed(production: Production) -> Production:
    """The installation that `shop` and its tests use here."""
    return production


@dataclass
class Fault:
    """A current or past fault: `name` names its row, `note` has additional remarks."""

    name: str
    load: Load
    began: float = 0.0
    accepted: float = 0.0
    decided: float = 0.0
    note: str = ""

    def begins(self) -> None:
        """Marks the instant from which everything is measured."""
        self.began = time.monotonic()

    async def recovered(self) -> None:
        """Waits until orders are steady again."""
        await self.load.steady(RECOVERY_SECONDS)


Bench = Callable[[str], "AsyncIterator[Fault]"]


@pytest.fixture
async def under_load(shop: Shop, production: Production, cost: Callable[[Row], None], say: Callable[[str], None]):
    """`async with under_load("a fault") as fault`: customers order inside; afterwards everything has recovered."""

    @asynccontextmanager
    async def under_load(name: str) -> AsyncIterator[Fault]:
        await whole(production)
        skus = [f"X-{n}" for n in range(4)]
        for sku in skus:
            await shop.declare(sku, 1_000_000)
        async with Load(production.gateway_url, skus) as load:
            fault = Fault(name, load)
            await load.steady(60)
            yield fault
            await fault.recovered()
            end = time.monotonic()
        fault.accepted, fault.decided = load.silences(fault.began, end)
        failed, requests = load.failed(fault.began)
        row = Row(name, fault.accepted, fault.decided, failed, requests, fault.note)
        say(f"{row}\n{load.faults()}")
        cost(row)
        await whole(production)
        await at_rest(production)
        assert await load.contradictions(shop.client) == []
        assert not [answer for answer in load.answers if answer.code == HTTPStatus.INTERNAL_SERVER_ERROR]

    return under_load


async def whole(production: Production) -> None:
    """Waits until every server, broker and replica is back; raises TimeoutError with what is missing."""
    last: list[str] = []

    async def all_healthy() -> bool:
        last[:] = await asyncio.to_thread(production.unhealthy)
        return not last

    try:
        await until(all_healthy, WHOLE_SECONDS)
    except TimeoutError as slow:
        raise TimeoutError("; ".join(last)) from slow


async def at_rest(production: Production) -> None:
    """`conferir --at-rest` finds nothing; what a dead pod held is resent after 30 s."""

    async def sound() -> bool:
        try:
            await asyncio.to_thread(production.conferir, "--at-rest")
        except ToolError as fault:
            said[:] = [str(fault)]
            return False
        return True

    said: list[str] = []
    try:
        await until(sound, 90)
    except TimeoutError as violations:
        raise TimeoutError(said[0]) from violations


# The installation


def test_each_server_of_a_data_store_has_a_node_to_itself(production: Production):
    for selector in (
        *(f"cnpg.io/cluster={database}-db" for database in DATABASES),
        "app.kubernetes.io/name=rabbitmq",
    ):
        pods = production.read("pods", f"--selector={selector}")["items"]
        assert len({pod["spec"]["nodeName"] for pod in pods}) == len(pods) == SERVERS, selector


def test_the_servers_have_the_settings_that_fail_over_needs(production: Production):
    for database in DATABASES:
        for standby in production.standbys(database):
            assert production.sql(database, "show wal_receiver_timeout", standby) == "1min"
            assert "tcp_user_timeout='5000'" in production.sql(database, "show primary_conninfo", standby)
        named = production.sql(database, "show synchronous_standby_names")
        assert len(re.findall(rf"{database}-db-\d+", named)) == SERVERS
        quorum = production.read("failoverquorums.postgresql.cnpg.io", f"{database}-db")["status"]
        assert (quorum["method"], quorum["standbyNumber"], len(quorum["standbyNames"])) == ("ANY", 1, SERVERS - 1)
    assert production.rabbitmq("rabbitmqctl", "eval", "net_kernel:get_net_ticktime().") == "15"


# Databases


@pytest.mark.parametrize("again", ["first", "second", "third"])
@pytest.mark.parametrize("database", DATABASES)
async def test_a_deleted_primary_is_replaced(under_load: Bench, production: Production, database: str, again: str):
    async with under_load(f"primary of {database} deleted, {again} time") as fault:
        before = await asyncio.to_thread(production.primary, database)
        fault.begins()
        await asyncio.to_thread(production.kubectl, "delete", "pod", before, "--wait=false")
        await promoted(production, database, before)
    assert fault.accepted <= PRIMARY_DELETED_LIMIT
    assert fault.decided <= PRIMARY_DELETED_LIMIT


@pytest.mark.parametrize("database", DATABASES)
async def test_a_cut_off_primary_is_replaced(under_load: Bench, production: Production, database: str):
    async with under_load(f"node of the primary of {database} cut off") as fault:
        await asyncio.sleep(OPERATOR_IDLE_SECONDS)
        before = await asyncio.to_thread(production.primary, database)
        node = await asyncio.to_thread(production.node_of, before)
        lost = await asyncio.to_thread(production.roles_on, node)
        with cut_off(node):
            fault.begins()
            back = await promoted(production, database, before)
            fault.note = f"{lost}; promoted after {back:.0f} s"
            await fault.recovered()
            accepted, decided = fault.load.silences(fault.began, time.monotonic())
    assert accepted <= NODE_LOST_LIMIT
    assert decided <= max(accepted, back) + DECIDED_AFTER_LIMIT


@pytest.mark.parametrize("database", DATABASES)
async def test_no_standby_follows_a_primary_that_was_frozen_and_thawed(
    under_load: Bench, production: Production, database: str
):
    """The old primary comes back, believing that it is still the primary: no standby may follow it."""
    async with under_load(f"node of the primary of {database} frozen for {FREEZE_SECONDS} s") as fault:
        before = await asyncio.to_thread(production.primary, database)
        node = await asyncio.to_thread(production.node_of, before)
        lost = await asyncio.to_thread(production.roles_on, node)
        with paused(node):
            fault.begins()
            back = await promoted(production, database, before)
            fault.note = f"{lost}; promoted after {back:.0f} s"
            await asyncio.sleep(max(0.0, fault.began + FREEZE_SECONDS - time.monotonic()))
    assert fault.accepted <= NODE_FROZEN_LIMIT
    assert fault.decided <= max(fault.accepted, back) + DECIDED_AFTER_LIMIT


async def promoted(production: Production, database: str, before: str) -> float:
    """Seconds until a database has another primary."""
    began = time.monotonic()

    async def another() -> bool:
        return await asyncio.to_thread(production.primary, database) != before

    await until(another, 180)
    return time.monotonic() - began


# Nodes and the broker


async def test_draining_a_node_loses_no_order(under_load: Bench, production: Production):
    async with under_load("node of the primary of pedidos drained") as fault:
        before = await asyncio.to_thread(production.primary, "pedidos")
        node = await asyncio.to_thread(production.node_of, before)
        drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        fault.begins()
        try:
            await asyncio.to_thread(production.kubectl, *drain, seconds=260)
            fault.note = f"drained in {time.monotonic() - fault.began:.0f} s"
            assert await asyncio.to_thread(production.primary, "pedidos") != before
            await fault.recovered()
        finally:
            await asyncio.to_thread(production.kubectl, "uncordon", node)


@pytest.mark.parametrize("pod", [f"rabbitmq-server-{n}" for n in range(SERVERS)])
async def test_a_killed_broker_node_delays_no_order_beyond_the_limit(
    under_load: Bench, production: Production, pod: str
):
    async with under_load(f"{pod} killed") as fault:
        led = [q.name for q in QUEUES if await asyncio.to_thread(production.queue_leader, q.name) == pod]
        fault.note = f"led {' and '.join(led)}" if led else ""
        fault.begins()
        await asyncio.to_thread(production.kubectl, "delete", "pod", pod, "--grace-period=0", "--force")
    assert fault.accepted <= DECIDED_AFTER_LIMIT
    assert fault.decided <= DECIDED_AFTER_LIMIT


@pytest.mark.parametrize("queue", [queue.name for queue in QUEUES])
async def test_moving_a_queue_s_leader_loses_no_order(under_load: Bench, production: Production, queue: str):
    async with under_load(f"leader of {queue} moved") as fault:
        before = await asyncio.to_thread(production.queue_leader, queue)
        to = next(f"rabbitmq-server-{n}" for n in range(SERVERS) if f"rabbitmq-server-{n}" != before)
        name = f'rabbit_misc:r(<<"reservaestoque">>, queue, <<"{queue}">>)'
        target = f"'rabbit@{to}.rabbitmq-nodes.reserva-estoque'"
        moved = f"{{ok, Q}} = rabbit_amqqueue:lookup({name}), rabbit_quorum_queue:transfer_leadership(Q, {target})."
        fault.begins()
        await asyncio.to_thread(production.rabbitmq, "rabbitmqctl", "eval", moved)

        async def elsewhere() -> bool:
            return await asyncio.to_thread(production.queue_leader, queue) == to

        await until(elsewhere, 30)


# Operations


@pytest.mark.parametrize("what", ["upgrade", "rollback"])
async def test_releases_replace_every_pod_and_fail_no_request(under_load: Bench, production: Production, what: str):
    async with under_load(f"helm {what}, every pod replaced") as fault:
        fault.begins()
        if what == "upgrade":
            parts = ("pedidos", "estoque", "operator", "conferir", "gateway")
            changes = [word for part in parts for word in ("--set-string", f"{part}.podAnnotations.round=2")]
            await asyncio.to_thread(production.upgrade, *changes)
        else:
            await asyncio.to_thread(production.helm, "rollback", "loja", "--wait", "--timeout", "6m")
            await asyncio.to_thread(production.settle)
        fault.note = f"took {time.monotonic() - fault.began:.0f} s"
    assert fault.load.failed(fault.began)[0] == 0, fault.load.faults()


@pytest.mark.parametrize(
    "whose",
    [
        "owner pedidos",
        "owner estoque",
        "guest pedidos pedidos_runtime",
        "guest estoque estoque_runtime",
        "guest pedidos conferente",
        "guest estoque conferente",
        "guest estoque operador",
        "broker pedidos",
        "broker estoque",
    ],
)
async def test_passwords_are_changed_as_the_document_says(under_load: Bench, production: Production, whose: str):
    text = section(DOCUMENT.read_text(), "Passwords")
    async with under_load(f"password changed: {whose}") as fault:
        fault.begins()
        await asyncio.to_thread(production.run, f"{text}\n```sh\nrotate_{whose}\n```\n")
        fault.note = f"took {time.monotonic() - fault.began:.0f} s"


async def test_the_replica_limit_is_within_what_the_databases_accept(under_load: Bench, production: Production):
    """With as many replicas as the values allow, each is ready, and no connection is refused."""
    limits = {service: production.read("hpa", service)["spec"]["maxReplicas"] for service in SERVICES}
    sizes = " and ".join(f"{limit} {service}" for service, limit in limits.items())
    async with under_load(f"scaled to {sizes}") as fault:
        fault.begins()
        changes = [word for s, limit in limits.items() for word in ("--set", f"{s}.autoscaling.minReplicas={limit}")]
        await asyncio.to_thread(production.upgrade, *changes)

        async def all_there() -> bool:  # the autoscaler acts some seconds after Helm has returned
            pods = [await asyncio.to_thread(production.pods, service) for service in SERVICES]
            ready = [await asyncio.to_thread(production.ready, service) for service in SERVICES]
            return [len(each) for each in pods] == list(limits.values()) and all(ready)

        await until(all_there, WHOLE_SECONDS)
        used = [await asyncio.to_thread(production.connections, database) for database in DATABASES]
        fault.note = f"{used[0]} and {used[1]} connections"
        await fault.recovered()
    await asyncio.to_thread(production.helm, "rollback", "loja", "--wait", "--timeout", "6m")
