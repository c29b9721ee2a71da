"""No snapshot shows a violation while customers order and two replicas decide and sweep."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from audited_world import World, counted, customer, new_rounds, run_audit

from conferir import agreement
from conferir.agreement_rules import Criteria
from conferir.commands import versions
from conferir.scans import all_commands, pedidos, recheck, reservas, skus
from conferir.slice import FIRST_ID
from conferir.snapshot import Databases, Snapshots, take_snapshot, take_snapshots
from conferir.violation import Violation

pytestmark = pytest.mark.integration

SECONDS = 8
CRITERIA = Criteria()


async def test_no_snapshot_of_a_busy_system_shows_a_violation(world: World, readers: Databases):
    """Reservations are so short that most lapse, are swept, taken by others, renewed, or closed too late."""
    await world.supply(A=20, B=20, C=5000)
    replicas = [World(world.pedidos, world.estoque, ttl=0.1) for _ in range(2)]
    end = time.monotonic() + SECONDS
    rounds, before = new_rounds(readers, limit=50), counted()

    async def restock() -> None:
        for sku in ("A", "B"):
            await world.estoque.execute(
                "update estoque set alvo = alvo + 1, quantidade = quantidade + 1 where sku = $1", sku
            )
        await asyncio.sleep(0.2)

    async def audit_all() -> None:
        assert await run_audit(readers, limit=40) == []

    jobs = [
        job for replica in replicas for job in (replica.deliver_commands, replica.deliver_snapshots, replica.sweep)
    ]
    *_, steps, looks, audits = await asyncio.gather(
        *[customer(replica, end, seed) for seed, replica in enumerate(replicas * 4)],
        *[repeat(job, end) for job in (*jobs, restock)],
        *[repeat(job, end) for job in (rounds.step, lambda: look_twice(readers), audit_all)],
    )
    assert counted() == before
    assert min(steps, looks, audits) > 1
    await assert_every_kind_of_pedido(world)
    await world.deliver_all()
    await world.sweep()
    await world.deliver_all()
    assert await run_audit(readers, at_rest=True) == []


async def look_twice(readers: Databases) -> None:
    """Two reads with a delay between the snapshots: no suspect persists across both."""
    async with slowly(readers) as snapshots:
        candidates = await look_at_everything(snapshots)
    async with slowly(readers) as snapshots:
        assert not set(candidates) & set(await recheck(snapshots, candidates, CRITERIA))


@asynccontextmanager
async def slowly(readers: Databases) -> AsyncIterator[Snapshots]:
    async with take_snapshot(readers.pedidos) as pedidos:
        await asyncio.sleep(0.05)
        async with take_snapshot(readers.estoque) as estoque:
            yield Snapshots(pedidos, estoque)


async def look_at_everything(snapshots: Snapshots) -> list[Violation]:
    found = await versions(snapshots, snapshots.pedidos.now - CRITERIA.retention)
    assert found == []
    for scan in (skus(9999), reservas(9999)):
        assert (await scan.read_slice(snapshots, scan.start)).violations == []
    for other in (pedidos(9999, CRITERIA), all_commands(9999, CRITERIA)):
        found += (await other.read_slice(snapshots, other.start)).violations
    return found


async def repeat(work: Callable[[], Awaitable[object]], end: float) -> int:
    """Repeats `work` until an instant of the monotonic clock; returns how many times it ran."""
    times = 0
    while time.monotonic() < end:
        await work()
        times += 1
        await asyncio.sleep(0.005)
    return times


async def assert_every_kind_of_pedido(world: World) -> None:
    kinds = await world.estoque.fetch("select status, max(versao) as versao from pedido group by 1")
    assert len(kinds) == 5, "a status did not occur: the test covers less than it should"
    assert max(row["versao"] for row in kinds) > 3


async def test_slices_are_bounded_and_together_cover_every_row(world: World, readers: Databases):
    await world.supply(**{f"S{n}": 9 for n in range(25)})
    for n in range(25):
        await world.place_order(**{f"S{n}": 1})
        if n % 2:
            await world.deliver_all()
    async with take_snapshots(readers) as snapshots:
        for scan in (skus(4), reservas(4), pedidos(4, Criteria())):
            seen, after = [], scan.start
            while after is not None:
                chunk = await scan.read_slice(snapshots, after)
                seen.append(chunk.seen)
                after = chunk.last_key
            assert max(seen) == 4
            assert sum(seen) == (24 if scan.name == "reservas" else 25), scan.name


async def test_a_slice_ends_at_the_lower_last_key_of_both_sides(world: World, readers: Databases):
    """Rows missing on one side do not make later rows look missing on the other."""
    await world.supply(A=99)
    ids = [await world.place_order(A=1) for _ in range(12)]
    await world.deliver_all()
    await world.estoque.execute("delete from pedido where id = any ($1)", ids[2:7])
    async with take_snapshots(readers) as snapshots:
        found, after = [], FIRST_ID
        while after is not None:
            chunk = await agreement.read_slice(snapshots, after, 3, Criteria())
            found += chunk.violations
            after = chunk.last_key
    assert sorted(v.key for v in found) == sorted(str(key) for key in ids[2:7])
