"""The broker falls silent, or a program does: orders are decided again soon, without intervention.

pedidos and estoque are started here, since their connections to the broker lead through a proxy.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from broker import connection_names
from program import Program, by_way_of, running
from wire import Wire

from local_system import System

pytestmark = pytest.mark.integration

SOON = 25
"""Seconds until orders are decided again."""


@pytest.fixture
async def wire(backing: System) -> AsyncIterator[Wire]:
    async with Wire(backing.layout.ports.rabbitmq) as wire:
        yield wire


@pytest.fixture
async def estoque(backing: System, wire: Wire, estoque_db: object, tmp_path: Path) -> AsyncIterator[Program]:
    """estoque, which decides."""
    env = backing.service_env("estoque")
    env["AMQP_URL"] = by_way_of(wire.port, env["AMQP_URL"])
    async with running("estoque", tmp_path / "estoque.log", **env) as program:
        yield program


@pytest.fixture
async def customer(
    backing: System, wire: Wire, estoque: Program, pedidos_db: object, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of pedidos, whose first order has been decided."""
    env = backing.service_env("pedidos")
    env["AMQP_URL"] = by_way_of(wire.port, env["AMQP_URL"])
    async with (
        running("pedidos", tmp_path / "pedidos.log", **env) as program,
        httpx.AsyncClient(base_url=program.url, trust_env=False, timeout=60) as client,
    ):
        assert (await order(client)).status_code == 201
        yield client


async def order(customer: httpx.AsyncClient) -> httpx.Response:
    """Orders an unknown SKU; waits for the decision."""
    body = {"clienteId": "ana", "itens": [{"sku": "NAO-HA", "quantidade": 1}]}
    return await customer.post("/pedidos", json=body, headers={"Prefer": f"wait={SOON}"})


async def test_orders_are_decided_again_soon_after_the_broker_vanished(customer: httpx.AsyncClient, wire: Wire):
    wire.vanish()
    assert (await order(customer)).status_code == 201


async def test_a_program_frozen_until_the_broker_dropped_it_recovers_on_its_own(
    customer: httpx.AsyncClient, estoque: Program, backing: System
):
    estoque.freeze()
    async with asyncio.timeout(60):
        while {"consumer of estoque.pedidos", "estoque relay"} & set(await connection_names(backing)):
            await asyncio.sleep(0.5)
    estoque.thaw()
    assert (await order(customer)).status_code == 201
