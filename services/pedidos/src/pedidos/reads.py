"""Reads for customers and waiting requests: single rows by key, shared by concurrent callers; lists one by one."""

from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from pedidos import repository
from pedidos.pedido import Pedido
from pedidos.repository import KeyOwner, Outcome, Page, Scope
from reservaestoque.events import Status
from reservaestoque.postgres import Loader, Reader

__all__ = ["READ_CONNECTIONS", "Outcome", "Page", "Reads"]

_LISTS = 2
READ_CONNECTIONS = 3 + _LISTS


class Reads:
    """Uses at most READ_CONNECTIONS connections of the pool, of which `lists` are for statements that share none.

    Every method raises what asyncpg raises, and CrowdedError.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._orders = Loader(partial(repository.orders, pool))
        self._outcomes = Loader(partial(repository.outcomes, pool))
        self._key_owners = Loader(partial(repository.key_owners, pool))
        self.lists = Reader(pool, connections=_LISTS)

    async def order(self, pedido_id: UUID, cliente_id: str | None = None) -> Pedido | None:
        """The order, if it exists and belongs to that customer; with None, to any customer."""
        return await self._orders.get((pedido_id, cliente_id))

    async def page(self, cliente_id: str | None, status: Status | None, before: UUID | None, limit: int) -> Page:
        """Up to `limit` orders with an id below `before`, the newest first; fewer, if they are large."""
        return await repository.page(self.lists, cliente_id, status, before, limit)

    async def outcome(self, command_id: UUID) -> Outcome | None:
        """The outcome of the command; None when it is unknown, or has been purged."""
        return await self._outcomes.get(command_id)

    async def key_owner(self, scope: Scope) -> KeyOwner | None:
        """The request that claimed the idempotency key, or None."""
        return await self._key_owners.get(scope)
