"""Group commit: orders that arrive while a commit is under way share the next one, and are answered after it."""

import asyncio
from typing import Any

import asyncpg
from prometheus_client import Histogram

from pedidos.pedido import Pedido
from pedidos.repositorio import Registrar, registrar
from reservaestoque.outbox import Relay
from reservaestoque.postgres import is_transient

_batch = Histogram("pedidos_batch_orders", "New orders a commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200))


class LotadoError(Exception):
    """More orders wait for a commit than this replica takes on."""


class Registro:
    """Writes new orders, up to `max_batch` a commit; with `max_waiting` waiting it takes no more."""

    def __init__(self, pool: "asyncpg.Pool[Any]", relay: Relay, *, max_batch: int, max_waiting: int) -> None:
        self._pool = pool
        self._relay = relay
        self._max_batch = max_batch
        self._waiting: asyncio.Queue[tuple[Registrar, asyncio.Future[Pedido]]] = asyncio.Queue(max_waiting)

    async def criar(self, novo: Registrar) -> Pedido:
        """The order once it is committed.

        Raises LotadoError at once when too many wait, and what asyncpg raises when it was not, or perhaps not,
        committed.
        """
        decidido: asyncio.Future[Pedido] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((novo, decidido))
        except asyncio.QueueFull:
            raise LotadoError(f"{self._waiting.maxsize} orders wait already") from None
        return await decidido

    async def run(self) -> None:
        """Commits what arrives until cancelled; those that wait then are cancelled too."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            # Who has gone away meanwhile is not served.
            vivos = [(novo, futuro) for novo, futuro in batch if not futuro.done()]
            if vivos:
                await self._registrar(vivos)

    async def _registrar(self, batch: list[tuple[Registrar, asyncio.Future[Pedido]]]) -> None:
        try:
            registrados = await registrar(self._pool, [novo for novo, _ in batch])
        except Exception as fault:
            if len(batch) > 1 and not is_transient(fault):
                for um in batch:  # one of them is at fault: the others shall not suffer
                    await self._registrar([um])
                return
            for _, futuro in batch:
                if not futuro.done():
                    futuro.set_exception(fault)
            return
        _batch.observe(len(batch))
        self._relay.wake()
        for novo, futuro in batch:
            if not futuro.done():
                futuro.set_result(registrados[novo.pedido_id])
