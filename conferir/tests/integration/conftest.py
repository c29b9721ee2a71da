"""Copies of both databases without their constraints, so that a test can violate them."""

from collections.abc import AsyncIterator

import asyncpg
import database_copies
import pytest
from audited_world import World, copy_name, database_url

from conferir.snapshot import Databases
from local_system import System

WITHOUT_CHECKS = """
alter table estoque drop constraint never_oversell, drop constraint quantidade_in_force,
    drop constraint valid_arquivado, drop constraint valid_reservado;
drop trigger only_declared_supply on estoque;
"""


@pytest.fixture(scope="session")
def copies(backing: System) -> System:
    for database in database_copies.SERVICES:
        database_copies.create_migrated(backing, database, copy_name(database))
    backing.psql("estoque", f"\\c {copy_name('estoque')}\n{WITHOUT_CHECKS}")
    return backing


@pytest.fixture
async def world(copies: System) -> AsyncIterator[World]:
    """Both services on empty copies, without a broker: `deliver_all` delivers the outboxes."""
    async with (
        asyncpg.create_pool(database_url(copies, "pedidos"), min_size=0, max_size=12) as pedidos,
        asyncpg.create_pool(database_url(copies, "estoque"), min_size=0, max_size=12) as estoque,
    ):
        await pedidos.execute("truncate pedido, comando, outbox, idempotencia")
        await estoque.execute("truncate estoque, pedido, reserva, inbox, outbox")
        yield World(pedidos, estoque)


@pytest.fixture
async def readers(copies: System, world: World) -> AsyncIterator[Databases]:
    """The same databases, as the role `conferente`."""
    async with (
        asyncpg.create_pool(database_url(copies, "pedidos", "conferente"), min_size=0, max_size=4) as pedidos,
        asyncpg.create_pool(database_url(copies, "estoque", "conferente"), min_size=0, max_size=4) as estoque,
    ):
        yield Databases(pedidos, estoque)
