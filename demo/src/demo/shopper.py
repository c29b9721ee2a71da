"""A shopper: orders, acts on the reservation, and retries until the outcome is known."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from demo.journal import Journal
from demo.plan import Habit, Shopper
from reserva import AsyncReserva, NotAllowedNowError, Pedido, ReservaError, Status

WAIT = 10
_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 60.0
"""Shoppers wait no longer than this for a reservation to lapse; late payers then pay at once."""


@dataclass(frozen=True)
class Shopping:
    """The shared context of all shoppers. `run` makes their names and keys unique to this sale.

    clients: several, because the cost of a call grows with the number of connections in an httpx pool.
    """

    clients: Sequence[AsyncReserva]
    journal: Journal
    run: str

    def client(self, number: int) -> AsyncReserva:
        """The client of a shopper."""
        return self.clients[number % len(self.clients)]

    def customer(self, number: int) -> str:
        """The name of a shopper."""
        return f"{self.run}-{number:04}"


async def shop(shopper: Shopper, shopping: Shopping) -> None:
    """One shopper's visit; errors are recorded."""
    journal = shopping.journal
    journal.arrived += 1
    journal.active += 1
    try:
        await _visit(shopper, shopping)
    except ReservaError as error:
        journal.errors.append(f"{shopping.customer(shopper.number)}: {type(error).__name__}: {error}")
    finally:
        journal.active -= 1


async def _visit(shopper: Shopper, shopping: Shopping) -> None:
    client, journal = shopping.client(shopper.number), shopping.journal
    customer = shopping.customer(shopper.number)
    began = time.monotonic()
    pedido = await client.criar(customer, dict(shopper.cart), wait=WAIT, idempotency_key=f"{customer}-order")
    journal.record_order(pedido)
    pedido = await _decided(pedido, client, journal)
    journal.record_decision(time.monotonic() - began)
    if pedido.status == Status.ESTOQUE_RESERVADO:
        await _STEPS[shopper.habit](shopper, pedido, client, journal)


async def _decided(pedido: Pedido, client: AsyncReserva, journal: Journal) -> Pedido:
    while not pedido.decided:
        await asyncio.sleep(_POLL_SECONDS)
        pedido = await client.pedido(pedido.pedido_id)
    journal.record_order(pedido)
    return pedido


async def _pay(shopper: Shopper, pedido: Pedido, client: AsyncReserva, journal: Journal) -> None:
    await asyncio.sleep(shopper.pause)
    await _close(pedido, client, journal)


async def _pay_twice(shopper: Shopper, pedido: Pedido, client: AsyncReserva, journal: Journal) -> None:
    """Pays twice, as with two clicks on the button: the same key, so one payment."""
    await asyncio.sleep(shopper.pause)
    both = await asyncio.gather(_close(pedido, client, journal), _close(pedido, client, journal))
    journal.doubled += 1
    if both[0].status != both[1].status:
        journal.errors.append(f"{pedido.pedido_id}: two outcomes of one key: {both}")


async def _pay_late(shopper: Shopper, pedido: Pedido, client: AsyncReserva, journal: Journal) -> None:
    """Pays after the reservation has lapsed, which requires a new stock check."""
    left = (pedido.expira_em - datetime.now(UTC)).total_seconds() if pedido.expira_em else 0.0
    await asyncio.sleep(shopper.pause + (max(0.0, left) if left <= _LONGEST_PAUSE else 0.0))
    closed = await _close(pedido, client, journal)
    if closed.status == Status.FECHADO:
        journal.late_sold += 1
    else:
        journal.too_late.add(closed.pedido_id)


async def _abandon(shopper: Shopper, pedido: Pedido, client: AsyncReserva, journal: Journal) -> None:
    journal.abandoned += 1


async def _cancel(shopper: Shopper, pedido: Pedido, client: AsyncReserva, journal: Journal) -> None:
    await asyncio.sleep(shopper.pause)
    key = f"{pedido.pedido_id}-cancel"
    journal.record_order(await _outcome(client.cancelar, pedido, client, key, Status.CANCELADO))


async def _close(pedido: Pedido, client: AsyncReserva, journal: Journal) -> Pedido:
    closed = await _outcome(client.fechar, pedido, client, f"{pedido.pedido_id}-pay", Status.FECHADO)
    journal.record_order(closed)
    return closed


async def _outcome(
    command: Callable[..., Awaitable[Pedido]], pedido: Pedido, client: AsyncReserva, key: str, wanted: Status
) -> Pedido:
    """Sends a command and polls until its outcome is known."""
    try:
        done = await command(pedido.pedido_id, wait=WAIT, idempotency_key=key)
    except NotAllowedNowError:  # the order has ended: the command was executed, or was too late
        done = await client.pedido(pedido.pedido_id)
    while done.status != wanted and not done.status.final:
        await asyncio.sleep(_POLL_SECONDS)
        done = await client.pedido(pedido.pedido_id)
    return done


_STEPS: dict[Habit, Callable[[Shopper, Pedido, AsyncReserva, Journal], Awaitable[None]]] = {
    Habit.PAYS: _pay,
    Habit.PAYS_TWICE: _pay_twice,
    Habit.PAYS_LATE: _pay_late,
    Habit.ABANDONS: _abandon,
    Habit.CANCELS: _cancel,
}
