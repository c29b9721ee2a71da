"""The real code of pedidos and estoque on real databases; the tests deliver messages by hand."""

import asyncio
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import database_copies
from no_relay import NoRelay

from conferir import full_audit
from conferir.agreement_rules import Criteria
from conferir.metrics import VIOLATIONS
from conferir.rounds import Rounds
from conferir.snapshot import Databases
from conferir.violation import Rule, Violation
from estoque.events import to_event as status_event
from estoque.handler import CommandHandler as EstoqueHandler
from local_system import System
from pedidos.command import CommandType, NewCommand
from pedidos.events import to_event as command_event
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler as PedidosHandler
from reservaestoque.events import Comando, Item, new_id
from reservaestoque.postgres import Queries

HORIZON = timedelta(days=6)
GRACE = 0.3
MIN_STEPS = 30
RESEND_AFTER = timedelta(seconds=30)

_pedidos = Queries("pedidos")
_estoque = Queries("estoque")


class World:
    """Both services, driven step by step."""

    def __init__(self, pedidos: "asyncpg.Pool[Any]", estoque: "asyncpg.Pool[Any]", ttl: float = 3600) -> None:
        self.pedidos = pedidos
        self.estoque = estoque
        self.ttl = timedelta(seconds=ttl)
        self._group_commit = GroupCommit(
            pedidos, NoRelay(), max_batch=99, max_waiting=99, resend_after=timedelta(seconds=30)
        )

    async def supply(self, **targets: int) -> None:
        for sku, alvo in targets.items():
            await self.estoque.execute(
                "insert into estoque (sku, nome, alvo, quantidade) values ($1, $1, $2, $2)", sku, alvo
            )

    async def place_order(self, **itens: int) -> UUID:
        pedido = new_id()
        await self._send(pedido, CommandType.CRIAR, [Item(sku, n) for sku, n in itens.items()])
        return pedido

    async def send(self, pedido: UUID, tipo: CommandType) -> None:
        await self._send(pedido, tipo, None)

    async def _send(self, pedido: UUID, tipo: CommandType, itens: list[Item] | None) -> None:
        command_id = pedido if tipo == CommandType.CRIAR else new_id()
        await self._group_commit.write([NewCommand(command_id, pedido, tipo, "00-0-0-01", "ana", itens)])

    async def deliver_all(self) -> None:
        """Delivers until both outboxes are empty."""
        while await self.deliver_commands() + await self.deliver_snapshots():
            pass

    async def deliver_commands(self) -> int:
        async with self.pedidos.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_pedidos["take_outbox"], 50, [], 2**62, 1000, 0)
            if rows:
                await self.apply([command_event(row) for row in rows])
        return len(rows)

    async def apply(self, commands: list[Comando]) -> None:
        assert await EstoqueHandler(self.estoque, NoRelay(), self.ttl, HORIZON).handle(commands) == []

    async def deliver_snapshots(self) -> int:
        async with self.estoque.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_estoque["take_outbox"], 50, [], 2**62, 1000, 0)
            if rows:
                assert (
                    await PedidosHandler(self.pedidos, resend_after=RESEND_AFTER).handle(
                        [status_event(row) for row in rows]
                    )
                    == []
                )
        return len(rows)

    async def sweep(self) -> int:
        return await self.estoque.fetchval("select sweep_reservas(100)")

    async def typical_day(self) -> dict[str, UUID]:
        """Leaves one order in each kind of state, with every message delivered."""
        await self.supply(A=10, B=10)
        day = {name: await self.place_order(A=1, B=2) for name in ("reservado", "fechado", "cancelado", "lapsed")}
        day["refused"] = await self.place_order(A=1, B=99)
        day["overtaken"] = new_id()
        await self.cancel_before_creation(day["overtaken"])
        await self.deliver_all()
        await self.send(day["fechado"], CommandType.FECHAR)
        await self.send(day["cancelado"], CommandType.CANCELAR)
        await self.send(day["cancelado"], CommandType.RESERVAR)
        for table in ("pedido", "reserva"):
            key = "id" if table == "pedido" else "pedido_id"
            await self.estoque.execute(
                f"update {table} set expira_em = agora() where {key} = $1",  # noqa: S608 - our own names
                day["lapsed"],
            )
        assert await self.sweep() == 1
        await self.deliver_all()
        return day

    async def cancel_before_creation(self, pedido: UUID) -> None:
        """Delivers a cancellation to estoque before its order."""
        await self._send(pedido, CommandType.CRIAR, [Item("A", 1)])
        await self.send(pedido, CommandType.CANCELAR)
        async with self.pedidos.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            rows = await connection.fetch(_pedidos["take_outbox"], 50, [], 2**62, 1000, 0)
            await transaction.rollback()  # the rows stay in the outbox and are delivered again
        mine = [command_event(row) for row in rows if row["pedido_id"] == pedido]
        for command in reversed(mine):
            await self.apply([command])


async def run_audit(databases: Databases, *, at_rest: bool = False, limit: int = 2) -> list[Violation]:
    """The one-shot audit, in slices of `limit` rows."""
    found: list[Violation] = []
    result = await full_audit.audit(databases, Criteria(at_rest=at_rest), GRACE, found.append, limit)
    assert result.violations == len(found)
    assert result.uncertain == 0
    return found


def counted() -> dict[Rule, float]:
    return {rule: VIOLATIONS.labels(rule.value)._value.get() for rule in Rule}


def new_rounds(databases: Databases, *, limit: int = 2, grace: float = GRACE) -> Rounds:
    recent = timedelta(minutes=2)
    return Rounds(databases, Criteria(), grace=timedelta(seconds=grace), recent=recent, limit=limit)


async def run_rounds(databases: Databases, seconds: float = 3 * GRACE) -> set[Rule]:
    """The rules that the continuous audit finds violated within `seconds`, or in as many steps if longer."""
    before, rounds = counted(), new_rounds(databases)
    end = time.monotonic() + seconds
    steps = 0
    while time.monotonic() < end or steps < MIN_STEPS:
        assert await rounds.step() is False
        await asyncio.sleep(0.01)
        steps += 1
    return {rule for rule, n in counted().items() if n > before[rule]}


async def customer(world: World, end: float, seed: int) -> None:
    """A customer who orders, closes, cancels and renews at random until an instant of the monotonic clock."""
    rng = random.Random(seed)
    mine: list[UUID] = []
    while time.monotonic() < end:
        if not mine or rng.random() < 0.5:
            mine.append(await world.place_order(**dict.fromkeys(rng.sample("ABC", 2), rng.randint(1, 2))))
        else:
            await world.send(
                rng.choice(mine), rng.choice([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR])
            )
        await asyncio.sleep(rng.random() * 0.02)


def copy_name(database: str) -> str:
    """The name of the copy of a service's database that the tests may corrupt."""
    return f"copy_of_{database}"


def database_url(system: System, database: str, role: str | None = None) -> str:
    """The address of that copy, as the owner or another role."""
    return database_copies.address(system, database, copy_name(database), role)


async def run_conferir(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    def run() -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")}
        argv = [sys.executable, "-m", "conferir", *args]
        return subprocess.run(argv, env={**clean, "GRACE": "1s", **env}, capture_output=True, text=True, check=False)

    return await asyncio.to_thread(run)


def database_urls(system: System) -> dict[str, str]:
    return {f"{b.upper()}_DATABASE_URL": database_url(system, b, "conferente") for b in ("pedidos", "estoque")}
