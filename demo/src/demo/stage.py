"""Runs the sale: opening, disturbances, closing and account."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from demo import account
from demo.account import Account
from demo.journal import Journal
from demo.plan import PRODUCTS, Disturbance, Sale, disturbances
from demo.shopper import Shopping, shop
from demo.texts import Texts
from demo.world import Verdict, World, WorldError
from reserva import AsyncReserva, Pedido, PositionLostError, Saldo, Status

_SETTLE_SECONDS = 60.0
_AUDITS = 6
_AUDIT_PAUSE = 5.0
_POLL_SECONDS = 0.5
_NAMES = {sku: name for sku, name, _ in PRODUCTS}


def stock_item(sku: str, quantity: int) -> dict[str, Any]:
    """The StockItem of a product."""
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": sku.lower()},
        "spec": {"sku": sku, "name": _NAMES[sku], "quantity": quantity},
    }


class Stage:
    """One sale on one system."""

    def __init__(
        self, world: World, sale: Sale, clients: Sequence[AsyncReserva], journal: Journal, text: Texts
    ) -> None:
        """The first client reads; the shoppers share the others."""
        self._world, self._sale, self._journal, self._text = world, sale, journal, text
        self._client, *self._shoppers_clients = clients
        self._run = f"demo-{sale.seed}-{secrets.token_hex(3)}"

    async def declare(self) -> None:
        """Declares the units for sale, in addition to those committed by earlier sales. Raises WorldError."""
        known = await self._balances()
        if self._world.can_declare:
            self._journal.add_event(self._text("declared"))
            wanted = {
                sku: units + (known[sku].vendido + known[sku].reservado if sku in known else 0)
                for sku, units in self._sale.units
            }
            for sku, quantity in wanted.items():
                await asyncio.to_thread(self._world.apply, stock_item(sku, quantity))
            await self._until_declared(wanted)
        elif len(known) < len(self._sale.skus):
            raise WorldError(self._text("no_skus", prefix="DEMO-"))
        self._journal.before = self._journal.balances = await self._balances()

    async def play(self) -> None:
        """Runs the shoppers while disturbing the system; returns when all have left."""
        planned = await asyncio.to_thread(self._disturbances)
        self._journal.open()
        self._journal.add_event(self._text("open"))
        watching = [
            asyncio.create_task(one) for one in (self._watch_stock(), self._watch_orders(), self._watch_scale())
        ]
        disturbing = [asyncio.create_task(self._disturb(one)) for one in planned]
        try:
            await self._shop_all()
            await asyncio.gather(*disturbing)
            await self._settled()
        finally:
            for task in (*watching, *disturbing):
                task.cancel()
            await asyncio.gather(*watching, *disturbing, return_exceptions=True)

    async def account(self) -> tuple[Account, Verdict]:
        """The account, and the auditor's verdict."""
        self._journal.add_event(self._text("auditing"))
        stored = await self._stored()
        for one in stored:
            self._journal.record_order(one)
        after = await self._balances()
        result = account.draw_up(self._journal.orders, stored, self._journal.before, after, self._journal.too_late)
        return result, await self._conferir()

    # Internals

    def _disturbances(self) -> list[Disturbance]:
        world = self._world
        return disturbances(world.parts, restarts_broker=world.restarts_broker, restocks=world.can_declare)

    async def _shop_all(self) -> None:
        shopping = Shopping(self._shoppers_clients, self._journal, self._run)
        visits: list[asyncio.Task[None]] = []
        try:
            for shopper in self._sale.shoppers:
                await asyncio.sleep(max(0.0, shopper.arrives - self._journal.clock()))
                visits.append(asyncio.create_task(shop(shopper, shopping)))
            self._journal.add_event(self._text("closed_doors"))
            await asyncio.gather(*visits)
        finally:
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)

    async def _disturb(self, disturbance: Disturbance) -> None:
        await asyncio.sleep(max(0.0, disturbance.at * self._sale.size.seconds - self._journal.clock()))
        try:
            await {"kill": self._kill, "restart": self._restart, "restock": self._restock}[disturbance.action](
                disturbance.part
            )
        except WorldError as error:
            self._journal.errors.append(str(error))
            self._journal.add_event(self._text("failed", part=disturbance.part, error=error))

    async def _kill(self, part: str) -> None:
        began = time.monotonic()
        killed = await asyncio.to_thread(self._world.kill, part)
        self._journal.add_event(self._text("killed", part=killed))
        await self._back(part, began, self._world.wait_ready, part)

    async def _restart(self, part: str) -> None:
        self._journal.add_event(self._text("broker"))
        await self._back(part, time.monotonic(), self._world.restart_broker)

    async def _back(self, part: str, began: float, wait: Callable[..., None], *arguments: str) -> None:
        self._journal.down.add(part)
        try:
            await asyncio.to_thread(wait, *arguments)
        finally:
            self._journal.down.discard(part)
        seconds = self._journal.downtime[part] = time.monotonic() - began
        self._journal.add_event(self._text("back", part=part, seconds=seconds))

    async def _restock(self, sku: str) -> None:
        units = self._sale.size.restock
        await asyncio.to_thread(self._world.apply, stock_item(sku, self._journal.before[sku].quantidade + units))
        self._journal.add_event(self._text("restocked", units=units, sku=sku))

    async def _until_declared(self, wanted: Mapping[str, int]) -> None:
        end = time.monotonic() + _SETTLE_SECONDS
        while {sku: one.quantidade for sku, one in (await self._balances()).items()} != wanted:
            if time.monotonic() > end:
                raise WorldError(f"the operator has not synced the stock within {_SETTLE_SECONDS:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)

    async def _settled(self) -> None:
        """Returns when all orders are decided and all abandoned reservations have lapsed, or at the deadline."""
        end = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < end:
            orders = await self._stored()
            for one in orders:
                self._journal.record_order(one)
            lapsing = [one for one in orders if one.status == Status.ESTOQUE_RESERVADO and self._lapses_soon(one)]
            if not lapsing and all(one.decided for one in orders):
                return
            await asyncio.sleep(_POLL_SECONDS)

    @staticmethod
    def _lapses_soon(order: Pedido) -> bool:
        return order.expira_em is not None and order.expira_em.timestamp() < time.time() + _SETTLE_SECONDS

    async def _stored(self) -> list[Pedido]:
        """The sale's stored orders, from the newest back to the first."""
        found: list[Pedido] = []
        first = min((order.criado_em for order in self._journal.orders.values()), default=None)
        async for order in self._client.pedidos():
            if first is None or order.criado_em < first:
                break
            if order.cliente_id.startswith(f"{self._run}-"):
                found.append(order)
        return found

    async def _balances(self) -> dict[str, Saldo]:
        return {saldo.sku: saldo for saldo in (await self._client.consulta(self._sale.skus)).itens}

    async def _watch_stock(self) -> None:
        while True:
            with contextlib.suppress(PositionLostError):
                async with self._client.follow_saldos() as stream:
                    self._journal.balances = {**self._journal.balances, **await self._balances()}
                    async for change in stream:
                        if isinstance(change, Saldo) and change.sku in self._journal.before:
                            self._journal.balances[change.sku] = change

    async def _watch_orders(self) -> None:
        """Follows all orders, because shoppers who have left do not see their reservations lapse."""
        while True:
            with contextlib.suppress(PositionLostError):
                async with self._client.follow_pedidos() as stream:
                    async for change in stream:
                        if change.cliente_id.startswith(f"{self._run}-"):
                            self._journal.record_status(change)

    async def _watch_scale(self) -> None:
        while True:
            with contextlib.suppress(WorldError):
                pods = await asyncio.to_thread(self._world.scale)
                for part, count in pods.items():
                    if count != self._journal.pods.get(part, count):
                        self._journal.add_event(self._text("scaled", part=part, pods=count))
                self._journal.pods = pods
            await asyncio.sleep(2.0)

    async def _conferir(self) -> Verdict:
        """Retries the audit, because messages in flight when a part was killed are redelivered up to half a minute
        later.
        """
        for _ in range(_AUDITS):
            verdict = await asyncio.to_thread(self._world.conferir)
            if verdict.good is not False:
                break
            await asyncio.sleep(_AUDIT_PAUSE)
        return verdict


def faults_of(result: Account, verdict: Verdict, journal: Journal) -> list[str]:
    """All failed checks."""
    audit = [f"conferir: {verdict.text}"] if verdict.good is False else []
    return [*result.faults, *journal.errors, *audit]


@contextlib.contextmanager
def counting_retries(journal: Journal) -> Iterator[None]:
    """Counts the client's retries, which it logs."""
    counter, logger = _RetryCounter(journal), logging.getLogger("reserva")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(counter)
    try:
        yield
    finally:
        logger.removeHandler(counter)


class _RetryCounter(logging.Handler):
    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.INFO)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Counts one."""
        self._journal.retries += 1
