"""Both databases are restored from their archives, and agree: the commands of docs/production.md on real parts."""

import asyncio
import os
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from archive import DATABASES, Archive, barman, block, link_programs, object_store
from customers import Customers, ids_of
from shop import Shop, conferir, open_shop
from tools import MissingError
from waiting import until

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

SKUS = ("RESTORE-A", "RESTORE-B")
PROGRAMS = ("pedidos", "estoque", "operator", "conferir", "gateway")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def archive(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A running system whose two PostgreSQL servers archive their WAL."""
    folder = tmp_path_factory.mktemp("restore")
    try:
        link_programs(folder / "bin")
        barman(folder / "bin")
    except MissingError as missing:
        pytest.skip(str(missing))
    with pytest.MonkeyPatch.context() as patch, object_store(objects, "reserva-estoque") as endpoint:
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")  # where PostgreSQL finds its archive_command
        # Chosen now that the object store has its port: free ones are not reserved.
        ports = Ports.free()
        config = Config(state=folder / "state", ports=ports, settings={"RESEND_AFTER": "3s", "GRACE": "30s"})
        with System(config) as system:
            archive = Archive(system, endpoint, folder / "bin")
            archive.begin(block("What the plugin runs", "archive_mode"))
            yield archive


class Past(NamedTuple):
    """What is known about the lost period: the orders answered 2xx before the instant and in total, and the newest
    row of each change log, `transaction.row`.
    """

    instants: dict[str, datetime]
    kept: set[str]
    accepted: set[str]
    changes: dict[str, str]


async def test_databases_restored_to_different_instants_agree_again(archive: Archive, objects: Path):
    system = archive.system
    async with open_shop(system) as shop:
        for sku in SKUS:
            await shop.declare(sku, 10_000)
        past = await sell_until_the_disaster(archive, shop)
        await asyncio.to_thread(restore, archive, past)
        only_estoque_knows = set(archive.orders("estoque")) - set(archive.orders("pedidos"))
        assert only_estoque_knows, "estoque is not ahead, so the test proves nothing"
        assert past.kept <= set(archive.orders("pedidos"))
        await asyncio.to_thread(archive.agree, past.instants["pedidos"])
        for program in PROGRAMS:
            await asyncio.to_thread(system.start, program)

        await until(lambda: asyncio.to_thread(they_agree, archive), 60)
        assert await ids_of(shop.client, "restaurado") == only_estoque_knows
        lost = past.accepted - set(archive.orders("pedidos"))
        assert lost, "no order is lost, so the test proves nothing"
        assert {(await shop.client.get(f"/pedidos/{pedido}")).status_code for pedido in lost} == {404}
        await until(lambda: has_supply(shop, {SKUS[0]: 10_500, SKUS[1]: 10_000, "RESTORE-NEW": 7}), 30)
        await old_ids_of_streams_are_refused(shop, past.changes)
        for database, lost_row in past.changes.items():
            assert row_of(archive.newest_change(database)) > row_of(lost_row) + 1_000_000, (
                "nearer positions may be reused"
            )
        await until(lambda: asyncio.to_thread(archives_apart, archive, objects), 30)
        await conferir(system)
    archive.run(block("Restore", "python -m conferir"))


async def test_dumps_are_loaded_into_new_servers(archive: Archive):
    system, section = archive.system, "From development data stores to these"
    async with open_shop(system) as shop:
        await shop.declare("DUMPED", 10)
        reserved, sold = [(await shop.order(DUMPED=1)).json()["pedidoId"] for _ in range(2)]
        await shop.client.post(f"/pedidos/{sold}/fechar", headers={"Prefer": "wait=10"})
        await conferir(system)  # nothing is in flight
        before = {database: archive.orders(database) for database in DATABASES}
        changes = {database: archive.newest_change(database) for database in DATABASES}
        await asyncio.to_thread(stop_programs, archive)
        await asyncio.to_thread(archive.run, block(section, "pg_dump"))
        for database in DATABASES:
            await asyncio.to_thread(archive.lose, database)
            await asyncio.to_thread(archive.empty, database)
        await asyncio.to_thread(archive.run, block(section, "pg_restore"))
        for program in PROGRAMS:
            await asyncio.to_thread(system.start, program)
        assert {database: archive.orders(database) for database in DATABASES} == before
        closed = await shop.client.post(f"/pedidos/{reserved}/fechar", headers={"Prefer": "wait=10"})
        assert closed.json()["status"] == "Fechado"
        assert (await shop.order(DUMPED=8)).json()["status"] == "EstoqueReservado"
        await old_ids_of_streams_are_refused(shop, changes)
        await conferir(system)


async def sell_until_the_disaster(archive: Archive, shop: Shop) -> Past:
    """A base backup under load; an instant, some orders, another instant, more orders; then the broker holds some."""
    system = archive.system
    async with Customers(system.gateway_url, SKUS, per_second=12, wait=5) as customers:

        async def decides(orders: int) -> None:
            since = time.monotonic()
            await until(lambda: at_least(orders, customers.decided_since(since)), 90)

        backup = block("What the plugin runs", "barman-cloud-backup ")
        await asyncio.gather(*[asyncio.to_thread(archive.run, backup, database) for database in DATABASES])
        await decides(10)
        kept, instants = customers.accepted, {"pedidos": archive.now()}
        await decides(5)
        instants["estoque"] = archive.now()
        await decides(5)
        await asyncio.to_thread(system.stop, "estoque")
        more = len(customers.accepted) + 10
        await until(lambda: at_least(more, customers.accepted), 90)
    await asyncio.to_thread(shop.apply, SKUS[0], 10_500)
    await asyncio.to_thread(shop.apply, "RESTORE-NEW", 7)
    changes = {database: archive.newest_change(database) for database in DATABASES}
    await asyncio.to_thread(archive.archive_everything, block("Restore", "pg_switch_wal"))
    return Past(instants, kept, customers.accepted, changes)


async def at_least(number: int, things: Collection[object]) -> bool:
    return len(things) >= number


def restore(archive: Archive, past: Past) -> None:
    """Both volumes are lost; the steps up to databases that are not in use yet."""
    for database in DATABASES:
        archive.lose(database)
    stop_programs(archive)
    archive.run(block("Restore", "purge_queue"))
    for database, instant in past.instants.items():
        archive.restore(block("What the plugin runs", "recovery.signal"), database, instant=str(instant))


def stop_programs(archive: Archive) -> None:
    for program in reversed(PROGRAMS):
        archive.system.stop(program)


def they_agree(archive: Archive) -> bool:
    orders = archive.orders("pedidos")
    return orders == archive.orders("estoque") and all(status != "Criado" for status, _ in orders.values())


async def has_supply(shop: Shop, quantities: dict[str, int]) -> bool:
    """Whether the operator has applied the StockItems again, which are in neither database's archive."""
    answer = await shop.client.post("/estoque/consulta", json={"skus": list(quantities)})
    return {saldo["sku"]: saldo["quantidade"] for saldo in answer.json()["itens"]} == quantities


async def old_ids_of_streams_are_refused(shop: Shop, changes: dict[str, str]) -> None:
    for database, path in {"pedidos": "/pedidos/eventos?clienteId=ana", "estoque": "/estoque/eventos"}.items():
        async with asyncio.timeout(10):  # a stream that is not refused does not end
            answer = await shop.client.get(path, headers={"Last-Event-ID": f"{changes[database]}.0"})
        assert answer.status_code == 410


def row_of(change: str) -> int:
    return int(change.partition(".")[2])


def archives_apart(archive: Archive, objects: Path) -> bool:
    """Whether the new timeline is in an archive of its own."""
    folders = [objects / f"reserva-estoque/{database}-db/{database}-db-2/wals" for database in DATABASES]
    for database in DATABASES:
        archive.system.psql(database, "select pg_switch_wal();")
    return all(list(folder.glob("00000002*/00000002*")) for folder in folders)
