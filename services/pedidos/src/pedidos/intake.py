"""Intake: turns the order or command that a client sends, and its key, into a new command."""

from typing import NamedTuple

from pedidos.answer import Answers
from pedidos.command import CommandType, IdempotencyKey, NewCommand, creation, digest
from pedidos.pedido import Pedido
from pedidos.reads import Outcome
from reservaestoque.events import FINAL_STATUSES, Item, Status, new_id


class EndedError(Exception):
    """The order has ended: it accepts no more commands."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"the order has ended; it is {status}")
        self.status = status


class RequestContext(NamedTuple):
    """Context of every command: the client's key and trace, and how many seconds the client is willing to wait."""

    key: str | None
    traceparent: str
    wait: int


class Intake:
    """Accepts orders and commands to them. Every method raises what asyncpg raises, and CrowdedError."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def create(self, cliente_id: str, itens: list[Item], context: RequestContext) -> Outcome:
        """A new order, as soon as it is committed; with a wait, as soon as it is decided or the wait is over.

        Raises OverloadedError, KeyReusedError, KeyBusyError, and TimeoutError or what asyncpg raises when it was not,
        or may not have been, committed.
        """
        key = _key(cliente_id, "/pedidos", context.key, [cliente_id, itens])
        command = creation(new_id(), context.traceparent, cliente_id, itens, key)
        return await self._answers.submit(command, None, context.wait)

    async def command(self, pedido: Pedido, tipo: CommandType, context: RequestContext) -> Outcome:
        """A command to an order, as soon as it is committed; with a wait, as soon as it is answered.

        Raises EndedError when the order has ended, unless the key shows that this repeats an earlier command, and
        what `create` raises.
        """
        key = _key(pedido.cliente_id, f"/pedidos/{pedido.pedido_id}/{tipo}", context.key, None)
        if pedido.status in FINAL_STATUSES:
            outcome = await self._answers.repeat(key, pedido) if key else None
            if outcome is None:
                raise EndedError(pedido.status)
            return outcome
        command = NewCommand(
            new_id(),
            pedido.pedido_id,
            tipo,
            context.traceparent,
            pedido.cliente_id,
            key=key,
            known_items=pedido.itens,
            known_version=pedido.versao,
        )
        return await self._answers.submit(command, pedido, context.wait)


def _key(cliente_id: str, path: str, value: str | None, body: object) -> IdempotencyKey | None:
    return IdempotencyKey(cliente_id, path, value, digest(body)) if value else None
