"""Fast-lane handlers of the busiest routes: create an order, command one.

`routes` serves and documents the same routes.
"""

from functools import partial

from pedidos.command import CommandType
from pedidos.headers import request_context
from pedidos.intake import Intake, RequestContext
from pedidos.orders import Orders
from pedidos.pedido import Pedido
from pedidos.reads import Reads
from pedidos.routes import COMMANDS, command, create
from reservaestoque.http.identity import Identity
from reservaestoque.http.tuning.fast_lane import Handler, Headers
from reservaestoque.http.tuning.json_response import JsonResponse


class BusyRoutes:
    """Finds the handlers of POST /pedidos and POST /pedidos/{id}/fechar, cancelar and reservar."""

    def __init__(self, intake: Intake, reads: Reads, identity: Identity) -> None:
        self._intake = intake
        self._reads = reads
        self._identity = identity

    def find(self, method: str, path: str) -> tuple[str, Handler] | None:
        """The route's template, as metrics name it, and its handler; None for every other request."""
        if method != "POST":
            return None
        if path == "/pedidos":
            return path, self._create
        start, _, rest = path.partition("/pedidos/")
        pedido_id, _, name = rest.partition("/")
        tipo = COMMANDS.get(name)
        if start or not pedido_id or tipo is None:
            return None
        return f"/pedidos/{{pedido_id}}/{name}", partial(self._send, pedido_id, tipo)

    async def _create(self, headers: Headers, body: bytes) -> JsonResponse[Pedido]:
        return await create(self._orders(headers), self._intake, body, _context(headers))

    async def _send(self, pedido_id: str, tipo: CommandType, headers: Headers, body: bytes) -> JsonResponse[Pedido]:
        return await command(self._orders(headers), self._intake, pedido_id, tipo, body, _context(headers))

    def _orders(self, headers: Headers) -> Orders:
        """The orders open to the caller. Raises ProblemError (401, 403) like the guard of Litestar's routes."""
        return Orders(self._reads, self._identity.admitted(headers))


def _context(headers: Headers) -> RequestContext:
    key = headers.get(b"idempotency-key")
    return request_context(
        headers.get(b"prefer", b"").decode("latin-1"),
        None if key is None else key.decode("latin-1"),
        headers.get(b"traceparent", b"").decode("latin-1"),
    )
