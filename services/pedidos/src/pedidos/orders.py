"""Orders as the caller may see them. All routes, on the fast lane and in Litestar, reach orders only through this."""

from uuid import UUID

from pedidos.access import NOT_YOURS, Target, decide, effective_customer, sees_all
from pedidos.pedido import Pedido, parse_id
from pedidos.reads import Page, Reads
from reservaestoque.events import Status
from reservaestoque.http.caller import Caller, Verdict
from reservaestoque.http.identity import enforce
from reservaestoque.http.problems import NOT_FOUND, ProblemError


class Orders:
    """The orders open to `caller`. Methods raise ProblemError, what asyncpg raises, and CrowdedError."""

    def __init__(self, reads: Reads, caller: Caller) -> None:
        self._reads = reads
        self._caller = caller

    async def find(self, text: str) -> Pedido:
        """The order with this id. Raises ProblemError (404) if it is unknown or not open to the caller."""
        pedido_id = parse_id(text)
        # Another customer's order is never read, so the answer takes no longer than for an unknown order.
        owner = None if sees_all(self._caller) else self._caller.subject
        pedido = await self._reads.order(pedido_id, owner) if pedido_id else None
        verdict = decide(self._caller, Target.ORDER, pedido.cliente_id if pedido else None)
        enforce(verdict, NOT_YOURS)
        if pedido is None or verdict is not Verdict.ALLOW:
            raise ProblemError(NOT_FOUND, "there is no order with this id")
        return pedido

    def customer(self, requested: str | None) -> str | None:
        """The customer whose orders the caller creates, lists or follows; None for all customers. Raises ProblemError
        (403).
        """
        cliente_id = effective_customer(self._caller, requested)
        self.authorize(cliente_id)
        return cliente_id

    def authorize(self, cliente_id: str | None) -> None:
        """Raises ProblemError (403) unless the caller may create, list and follow the orders of this customer; None
        stands for all customers.
        """
        enforce(decide(self._caller, Target.ORDERS_OF, cliente_id), NOT_YOURS)

    async def page(self, cliente_id: str | None, status: Status | None, before: UUID | None, limit: int) -> Page:
        """Up to `limit` orders with an id below `before`, the newest first; fewer, if they are large.

        Raises ProblemError (403).
        """
        return await self._reads.page(self.customer(cliente_id), status, before, limit)
