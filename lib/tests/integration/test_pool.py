"""Pools on a real PostgreSQL whose connections vanish, turn read-only, or hold locks."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest
from wire import Wire

from local_system import Config, Ports, System, postgres
from reservaestoque.postgres import (
    Connector,
    Pool,
    Readiness,
    ServerWatch,
    is_contended,
    is_transient,
    open_pool,
    reachable,
)
from reservaestoque.postgres.faults import SlowStatementError
from reservaestoque.postgres.hosts import CONNECT_SECONDS
from reservaestoque.postgres.watch import WATCH_SECONDS

pytestmark = pytest.mark.integration

LIMIT = 1.0


def through(wire: Wire, url: str) -> str:
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{wire.port}"))


@pytest.fixture
async def wire(backing: System) -> AsyncIterator[Wire]:
    async with Wire(backing.layout.ports.postgres_pedidos) as wire:
        yield wire


@pytest.fixture
async def pool(backing: System, wire: Wire) -> AsyncIterator[Pool]:
    url = through(wire, backing.database_url("pedidos"))
    async with await open_pool(url, program="t", size=4, statement_seconds=LIMIT) as pool:
        yield pool


async def hold(pool: Pool, connections: int) -> None:
    """Opens this many connections and returns them."""
    held = [await pool.acquire() for _ in range(connections)]
    for connection in held:
        await pool.release(connection)


async def read_twice(pool: Pool, between: Callable[[], None]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval("select 1")
        between()
        await connection.fetchval("select 1")


async def test_a_server_that_vanished_costs_one_timeout(pool: Pool, wire: Wire):
    await hold(pool, 4)
    wire.vanish()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=f"did not answer within {LIMIT:g} s"):
        await pool.fetchval("select 1")
    assert [await pool.fetchval("select 1") for _ in range(4)] == [1, 1, 1, 1]
    assert time.monotonic() - began < 2 * LIMIT + 1, "the others lead to the same server: they are not tried"


async def test_a_connection_whose_server_vanished_within_a_transaction_is_dropped(pool: Pool, wire: Wire):
    began = time.monotonic()
    with pytest.raises((asyncpg.InterfaceError, TimeoutError)) as fault:
        await read_twice(pool, wire.vanish)
    assert is_transient(fault.value)
    assert await pool.fetchval("select 1") == 1
    assert time.monotonic() - began < 2 * LIMIT + 1


async def test_cancelled_callers_do_not_block_the_pool(pool: Pool, wire: Wire):
    """asyncpg asks the server to cancel, and waits for an answer that never arrives."""
    reading = [asyncio.create_task(pool.fetchval("select pg_sleep(60)")) for _ in range(4)]
    await asyncio.sleep(0.2)
    wire.vanish()
    for task in reading:
        task.cancel()
    async with asyncio.timeout(5):
        assert await pool.fetchval("select 1") == 1
    ends = await asyncio.gather(*reading, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}


async def test_cancellation_within_a_transaction_raises_cancelled_error(pool: Pool):
    """Not an error about a closed connection, which a loop would take for an outage and continue."""

    def cancel() -> None:
        task.cancel()

    task = asyncio.create_task(read_twice(pool, cancel))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_statement_that_takes_too_long_ends_on_the_server_too(backing: System, pool: Pool):
    with pytest.raises(TimeoutError):
        await pool.fetchval("select pg_sleep(60)")

    async def gone() -> bool:
        sleeping = "select not exists (select from pg_stat_activity where query = 'select pg_sleep(60)')"
        return bool(await pool.fetchval(sleeping))

    async with asyncio.timeout(10):
        while not await gone():
            await asyncio.sleep(0.1)


OF_A_NEW_TYPE = "select mudanca from mudanca"
"""A statement of several round trips: asyncpg asks for the type of the row before it executes the statement."""


async def close(connection: asyncpg.Connection) -> None:
    connection.terminate()


async def outlast(_: asyncpg.Connection) -> None:
    await asyncio.sleep(LIMIT + 0.2)


def between_its_steps(monkeypatch: pytest.MonkeyPatch, do: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    introspect = asyncpg.Connection._introspect_types

    async def delayed(connection: asyncpg.Connection, *args: object) -> object:
        await do(connection)
        return await introspect(connection, *args)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", delayed)


async def test_a_connection_closed_during_a_statement_counts_as_broken(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    between_its_steps(monkeypatch, close)
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="closed during a statement") as fault:
            await connection.fetchval(OF_A_NEW_TYPE)
    assert is_transient(fault.value)
    assert await pool.fetchval("select 1") == 1


async def test_a_statement_whose_time_runs_out_between_round_trips_times_out(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
):
    between_its_steps(monkeypatch, outlast)
    async with pool.acquire() as connection:
        with pytest.raises(TimeoutError, match=f"did not answer within {LIMIT:g} s"):
            await connection.fetchval(OF_A_NEW_TYPE)
    assert await pool.fetchval("select 1") == 1


async def test_a_bug_is_not_taken_for_a_broken_connection(pool: Pool):
    async def mistaken() -> None:
        raise AttributeError("ours")

    async with pool.acquire() as connection:
        with pytest.raises(AttributeError, match="ours"):
            await connection.in_time(mistaken())


async def test_a_lock_wait_times_out(pool: Pool, pedidos_db: "asyncpg.Pool"):
    await pedidos_db.execute("create table if not exists lockable ()")
    async with await open_pool(pool._connect_args[0], program="t", size=1, statement_seconds=5) as patient:
        async with pedidos_db.acquire() as other, other.transaction():
            await other.execute("lock table lockable in access exclusive mode")
            began = time.monotonic()
            with pytest.raises(asyncpg.LockNotAvailableError) as fault:
                await patient.fetch("select from lockable")
            assert 0.5 < time.monotonic() - began < 2
        assert is_contended(fault.value)
    await pedidos_db.execute("drop table lockable")


async def pause_until(url: str, others: Awaitable[object]) -> None:
    """A transaction that has locked a table and idles until `others` are served."""
    async with (
        await open_pool(url, program="t", size=1) as pool,
        pool.acquire() as frozen,
        frozen.transaction(),
    ):
        await frozen.execute("lock table lockable in access exclusive mode")
        async with asyncio.timeout(10):
            await others


async def test_a_transaction_of_a_frozen_process_releases_its_locks(backing: System, pedidos_db: "asyncpg.Pool"):
    """It holds them for as long as it pauses, but no longer than three seconds."""
    await pedidos_db.execute("create table if not exists lockable ()")
    lost = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    with pytest.raises(lost) as fault:
        await pause_until(backing.database_url("pedidos"), pedidos_db.fetch("select from lockable"))
    assert is_transient(fault.value)
    await pedidos_db.execute("drop table lockable")


async def test_a_type_change_under_a_prepared_statement_is_a_transient_fault(pool: Pool, pedidos_db: "asyncpg.Pool"):
    """Within a transaction asyncpg cannot prepare it again on its own: the next attempt does."""
    await pedidos_db.execute("create table mutable (n integer)")
    await pedidos_db.execute("insert into mutable values (1)")

    async def read() -> object:
        async with pool.acquire() as connection, connection.transaction():
            return await connection.fetchval("select n from mutable")

    await read()
    await pedidos_db.execute("alter table mutable alter n type bigint")
    with pytest.raises(asyncpg.InvalidCachedStatementError) as fault:
        await read()
    assert is_transient(fault.value)
    assert await read() == 1
    await pedidos_db.execute("drop table mutable")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, System]]:
    """Two servers with the same role."""
    one, other = (
        System(Config(state=tmp_path_factory.mktemp(name), ports=Ports.free(), parts={"postgres-pedidos"}))
        for name in ("one", "other")
    )
    with one, other:
        for system in (one, other):
            system.psql("pedidos", f"alter role pedidos password '{one.layout.secrets['pedidos']}'")
        yield one, other


def stop_writes(system: System, value: str) -> None:
    system.psql("pedidos", f"alter system set default_transaction_read_only = {value}")
    system.psql("pedidos", "select pg_reload_conf()")
    # Sessions are ended before a new one begins with it.
    deadline = time.monotonic() + 10
    while system.psql("pedidos", "show default_transaction_read_only").strip() != value:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def switched(pair: tuple[System, System]) -> AsyncIterator[tuple[Pool, ServerWatch]]:
    """A pool with three connections to a server that no longer takes writes; new ones lead to another server."""
    old, new = pair
    async with Wire(old.layout.ports.postgres_pedidos) as wire:
        url = through(wire, old.database_url("pedidos"))
        async with await open_pool(url, program="t", size=3) as pool:
            watch = ServerWatch(Connector(url), pool, program="t")
            await watch.check()
            await hold(pool, 3)
            wire.target_port = new.layout.ports.postgres_pedidos
            stop_writes(old, "on")
            try:
                yield pool, watch
            finally:
                stop_writes(old, "off")


async def test_a_write_that_is_refused_replaces_all_connections(pair: tuple[System, System]):
    async with switched(pair) as (pool, _):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("create table a ()")
        for name in "bcd":
            await pool.execute(f"create table {name} ()")


async def test_the_watch_notices_a_fail_over_before_a_write_does(pair: tuple[System, System]):
    async with switched(pair) as (pool, watch):
        await watch.check()
        for name in "efg":
            await pool.execute(f"create table {name} ()")


async def test_the_watch_keeps_connections_to_the_same_server(backing: System):
    url = backing.database_url("pedidos")
    async with await open_pool(url, program="t", size=1) as pool:
        watch = ServerWatch(Connector(url), pool, program="t")
        session = await pool.fetchval("select pg_backend_pid()")
        for _ in range(3):
            await watch.check()
        assert await pool.fetchval("select pg_backend_pid()") == session
        assert not await watch.moved(0, 0)


async def test_existing_connections_are_kept_when_the_server_allows_no_more(pair: tuple[System, System]):
    one, _ = pair
    url = one.database_url("pedidos")
    async with await open_pool(url, program="t", size=1) as pool:
        watch = ServerWatch(Connector(url), pool, program="t")
        session = await pool.fetchval("select pg_backend_pid()")
        one.psql("pedidos", "alter role pedidos connection limit 1")
        try:
            await watch.check()
            assert await pool.fetchval("select pg_backend_pid()") == session
        finally:
            one.psql("pedidos", "alter role pedidos connection limit -1")


async def test_connections_to_a_server_that_shuts_down_are_released(pair: tuple[System, System]):
    """A smart shutdown waits until its last client has left, and notifies none of them."""
    one, _ = pair
    url = one.database_url("pedidos")
    async with await open_pool(url, program="t", size=3, idle_seconds=60) as pool:
        watch = ServerWatch(Connector(url), pool, program="t")
        watching = asyncio.create_task(watch.run())
        try:
            await hold(pool, 2)
            server = psutil.Process(one.states()["postgres-pedidos"].pid)
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("create table let_go ()")
                server.send_signal(signal.SIGTERM)
                assert await watch.moved(0, 2 * WATCH_SECONDS)
                await connection.execute("drop table let_go")  # a transaction may end
            await asyncio.to_thread(server.wait, 10)
        finally:
            watching.cancel()
            await asyncio.to_thread(one.wait_ready, "postgres-pedidos")
        assert await pool.fetchval("select 1") == 1


async def test_an_administrator_may_stop_writes(pair: tuple[System, System]):
    """No connection of ours overrides it, and the replica stays ready: no other one could do better."""
    one, _ = pair
    url = one.database_url("pedidos")
    stop_writes(one, "on")
    try:
        async with await open_pool(url, program="t", size=1) as pool:
            assert await Readiness(pool)()
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await pool.execute("create table z ()")
            stop_writes(one, "off")
            await pool.execute("create table z ()")
    finally:
        stop_writes(one, "off")


@pytest.fixture(scope="module")
def standby(pair: tuple[System, System], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a hot standby of the first server."""
    primary = pair[0]
    folder = tmp_path_factory.mktemp("standby")
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    port, free = primary.layout.ports.postgres_pedidos, Ports.free().postgres_pedidos
    env = {**os.environ, "PGPASSWORD": primary.layout.secrets["postgres"]}
    copy = [
        postgres.BIN / "pg_basebackup",
        "-D",
        folder / "data",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-U",
        "postgres",
    ]
    subprocess.run([*postgres.unprivileged(), *copy, "-R", "-c", "fast"], env=env, check=True, capture_output=True)
    serve = [postgres.BIN / "postgres", "-D", folder / "data", "-p", str(free), "-c", "listen_addresses=127.0.0.1"]
    server = subprocess.Popen(
        [*postgres.unprivileged(), *serve, "-c", "unix_socket_directories="], env=env, stderr=subprocess.DEVNULL
    )
    try:
        yield free
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def with_hosts(url: str, *hosts: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{','.join(hosts)}"))


async def test_a_shutdown_is_noticed_whatever_the_other_hosts_say(pair: tuple[System, System]):
    """The caller sees the fault of the last host."""
    one, _ = pair
    closed = f"127.0.0.1:{Ports.free().postgres_pedidos}"
    url = with_hosts(one.database_url("pedidos"), f"127.0.0.1:{one.layout.ports.postgres_pedidos}", closed)
    async with await open_pool(url, program="t", size=1) as pool:
        watch = ServerWatch(Connector(url), pool, program="t")
        watching = asyncio.create_task(watch.run())
        try:
            await hold(pool, 1)
            server = psutil.Process(one.states()["postgres-pedidos"].pid)
            await watch.check()
            server.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.wait, 10)
        finally:
            watching.cancel()
            await asyncio.to_thread(one.wait_ready, "postgres-pedidos")


async def test_a_silent_host_does_not_blind_the_watch(pair: tuple[System, System]):
    old, new = pair
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with Wire(old.layout.ports.postgres_pedidos) as wire:
            hosts = f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{wire.port}"
            url = with_hosts(old.database_url("pedidos"), *hosts)
            watch = ServerWatch(Connector(url), program="t")
            await watch.check()
            wire.target_port = new.layout.ports.postgres_pedidos
            await watch.check()
            assert watch.moves == 1


async def test_a_slow_read_costs_its_own_connection_only(backing: System):
    """It once replaced all of them, an additional burden on a server that was already overloaded."""
    async with await open_pool(backing.database_url("pedidos"), program="t", size=2, statement_seconds=5) as pool:
        async with pool.acquire() as kept:
            session = await kept.fetchval("select pg_backend_pid()")
            with pytest.raises(SlowStatementError):
                await pool.fetchval("select pg_sleep(9)", timeout=0.2)
        assert await pool.fetchval("select pg_backend_pid()") == session


async def test_the_primary_is_found_among_several_hosts(pair: tuple[System, System], standby: int):
    primary = f"127.0.0.1:{pair[0].layout.ports.postgres_pedidos}"
    url = pair[0].database_url("pedidos")
    async with asyncio.timeout(30):  # the standby may still be starting
        while not await is_standby(with_hosts(url, f"127.0.0.1:{standby}")):
            await asyncio.sleep(0.1)
    async with await open_pool(with_hosts(url, f"127.0.0.1:{standby}", primary), program="t", size=1) as pool:
        assert await pool.fetchval("select inet_server_port()") == pair[0].layout.ports.postgres_pedidos
        assert await Readiness(pool)()
    async with await open_pool(with_hosts(url, f"127.0.0.1:{standby}"), program="t", size=1) as pool:
        assert not await Readiness(pool)()
        with pytest.raises(asyncpg.TargetServerAttributeNotMatched) as fault:
            await pool.fetchval("select 1")
        assert is_transient(fault.value)


async def is_standby(url: str) -> bool:
    async with await open_pool(url, program="t", size=1, read_only=True) as pool:
        return await reachable(pool) and bool(await pool.fetchval("select pg_is_in_recovery()"))


async def test_a_host_that_drops_packets_leaves_time_for_the_next_one(backing: System):
    """asyncpg has one time limit for all hosts of a URL."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never sends anything
        ours = f"127.0.0.1:{backing.layout.ports.postgres_pedidos}"
        url = with_hosts(backing.database_url("pedidos"), f"127.0.0.1:{silent.getsockname()[1]}", ours)
        async with await open_pool(url, program="t", size=2) as pool:
            assert await pool.fetchval("select 1") == 1
            began = time.monotonic()
            await hold(pool, 2)
            assert time.monotonic() - began < CONNECT_SECONDS, "the host that answered is tried first"


class Inserting:
    """Inserts one row at a time until the database stops answering."""

    def __init__(self, pool: Pool) -> None:
        self.answered = 0
        self._pool = pool

    async def run(self) -> None:
        async with asyncio.timeout(30):
            while True:
                await self._pool.execute("insert into replicada values (1)")
                self.answered += 1


async def test_a_commit_that_waits_for_its_standby_is_not_cancelled(pair: tuple[System, System]):
    """If cancelled, it would be committed and visible on the primary alone, and a fail-over would lose it."""
    one, _ = pair
    url = one.database_url("pedidos")
    waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
    async with (
        await open_pool(url, program="t", size=1, statement_seconds=LIMIT) as pool,
        await open_pool(url, program="t other", size=1) as other,
    ):
        await pool.execute("create table replicada (n integer)")
        inserting = Inserting(pool)
        one.psql("pedidos", "alter system set synchronous_standby_names = 'nobody'")
        one.psql("pedidos", "select pg_reload_conf()")
        try:
            with pytest.raises(TimeoutError, match="did not answer"):
                await inserting.run()
            await asyncio.sleep(5)  # the server checks every two seconds whether its client is still there
            assert await other.fetchval(waiting) == 1
            assert await other.fetchval("select count(*) from replicada") == inserting.answered
        finally:
            one.psql("pedidos", "alter system reset synchronous_standby_names")
            one.psql("pedidos", "select pg_reload_conf()")
        async with asyncio.timeout(10):
            while await other.fetchval("select count(*) from replicada") != inserting.answered + 1:
                await asyncio.sleep(0.05)
