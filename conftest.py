"""Real PostgreSQL and RabbitMQ for tests of one part; tests/integration has the whole system. And pytest's hooks."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import lanes
import pytest
from xdist.remote import Producer

# Before pytest mistakes the folders bench/, conferir/, contracts/, demo/ and painel/ for namespace packages.
import bench  # noqa: F401
import conferir  # noqa: F401
import contracts  # noqa: F401
import demo  # noqa: F401
import painel  # noqa: F401
from local_system import Config, Ports, System
from reservaestoque.bus import topology

pytest_plugins = ["folder_systems"]


def pytest_configure() -> None:
    """Gives each worker its own ports, and its programs SIGINT, which a background job would ignore."""
    lanes.take_ports()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """No module that tests import pauses garbage collection, as programs do with `reservaestoque.imports`."""
    assert gc.isenabled()  # noqa: S101


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> lanes.Lanes:
    """Reports which worker runs what, and when."""
    return lanes.Lanes(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends leftovers of workers' systems: xdist kills a worker that does not stop within ten seconds."""
    if config.getoption("numprocesses", None):
        ended = lanes.end_systems(config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
        if ended:
            config.get_terminal_writer().line(f"ended what workers have left: {', '.join(ended)}")


@pytest.fixture(scope="session")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Both databases, migrated, and the broker; independent of anything else that runs on this machine."""
    parts = {"postgres-pedidos", "postgres-estoque", "rabbitmq"}
    state: Path = tmp_path_factory.mktemp("backing")
    with System(Config(state=state, ports=Ports.free(), parts=parts)) as system:
        asyncio.run(_declare_exchanges(system.amqp_url))
        for database in ("pedidos", "estoque"):  # tests inspect the sessions of the programs, which have another role
            system.psql(database, f"grant pg_read_all_stats to {database};")
        yield system


async def _declare_exchanges(url: str) -> None:
    """A test may run only one of the programs, and its queue is bound to the exchange of the other one."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for exchange in topology.Exchange:
            await topology.declare_exchange(channel, exchange)


@pytest.fixture
async def estoque_db(backing: System) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """estoque's database, empty."""
    async with asyncpg.create_pool(backing.database_url("estoque"), min_size=0, max_size=16) as pool:
        await pool.execute("truncate estoque, pedido, reserva, inbox, outbox, mudanca")
        yield pool


@pytest.fixture
async def pedidos_db(backing: System) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """pedidos' database, empty."""
    async with asyncpg.create_pool(backing.database_url("pedidos"), min_size=0, max_size=16) as pool:
        await pool.execute("truncate pedido, comando, outbox, idempotencia, mudanca")
        yield pool
