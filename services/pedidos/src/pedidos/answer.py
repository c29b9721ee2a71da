"""Answers: commits a command and waits for estoque's answer, for as long as the customer is willing to."""

import asyncio
from uuid import UUID

from pedidos.command import IdempotencyKey, KeyReusedError, NewCommand
from pedidos.group_commit import Committed, GroupCommit
from pedidos.pedido import Pedido
from pedidos.reads import Outcome, Reads
from pedidos.waiters import Subscription, Waiters
from reservaestoque.events import Status
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import tracing

FINAL_READ_SECONDS = 0.5
"""Time limit of the last read after a waiting customer's deadline, and so the longest delay of the answer."""


class Answers:
    """Submits commands and returns their outcomes. Every method raises what asyncpg raises, and CrowdedError."""

    def __init__(self, reads: Reads, group_commit: GroupCommit, waiters: Waiters) -> None:
        self._reads = reads
        self._group_commit = group_commit
        self._waiters = waiters

    async def submit(self, command: NewCommand, pedido: Pedido | None, wait: int) -> Outcome:
        """Commits a command to `pedido` (None: to the order that it creates) and waits up to `wait` seconds.

        Raises what `GroupCommit.submit` raises.
        """
        if not wait:
            committed = await self._group_commit.submit(command)
            if committed.command_id == command.id:
                return Outcome(False, None, pedido or _created(command, committed))
            return await self._earlier(committed, wait)
        # Subscribed before the commit: estoque may answer before this replica knows that the commit is done.
        with self._waiters.subscribe(command.pedido_id) as subscription:
            committed = await self._group_commit.submit(command)
            if committed.command_id == command.id:
                accepted = pedido or _created(command, committed)
                outcome = await self._await_outcome(command.id, subscription, wait, accepted=accepted)
                return outcome or Outcome(False, None, accepted)
        return await self._earlier(committed, wait)

    async def repeat(self, key: IdempotencyKey, pedido: Pedido) -> Outcome | None:
        """The outcome of the command that the key stands for, sent to an order that has ended; None if none exists.

        Raises KeyReusedError.
        """
        owner = await self._reads.key_owner(key.scope)
        if owner is None:
            return None
        if owner.body_hash != key.body_hash:
            raise KeyReusedError
        return await self._reads.outcome(owner.command_id) or Outcome(True, None, pedido)

    async def _earlier(self, committed: Committed, wait: int) -> Outcome:
        """The outcome of the earlier command that the key stands for, perhaps to another order."""
        outcome = await self._reads.outcome(committed.command_id)
        if wait and outcome is not None and not outcome.answered:
            with self._waiters.subscribe(committed.pedido_id) as subscription:
                subscription.set()  # it may have been answered in the meantime
                outcome = await self._await_outcome(committed.command_id, subscription, wait, known=outcome)
        return outcome or await self._purged(committed.pedido_id)

    async def _await_outcome(
        self,
        command_id: UUID,
        subscription: Subscription,
        wait: int,
        *,
        accepted: Pedido | None = None,
        known: Outcome | None = None,
    ) -> Outcome | None:
        """The outcome of a committed command, as soon as it is answered; after `wait` seconds the newest one read,
        which is `known` at first.

        A notification answers it without a read if the order that it was sent to, `accepted`, is given. A database
        that fails in the meantime ends the wait, not the request: the customer must learn the order's id.
        """
        end = asyncio.get_running_loop().time() + wait + FINAL_READ_SECONDS
        outcome = known
        subscription.expire_in(wait)
        try:
            with tracing.span("await decision"):
                while await self._waiters.changed(subscription):
                    snapshot = subscription.snapshot
                    if accepted is not None and snapshot is not None and snapshot.causa == command_id:
                        return Outcome(True, snapshot.recusa, snapshot.of(accepted))
                    async with asyncio.timeout_at(end):  # here rather than around the wait: nearly all need no read
                        outcome = await self._reads.outcome(command_id)
                    if outcome is not None and outcome.answered:
                        return outcome
        except Exception as fault:
            if not is_transient(fault):
                raise
        return outcome

    async def _purged(self, pedido_id: UUID) -> Outcome:
        """A key may briefly outlive its command: then the outcome is the order itself."""
        pedido = await self._reads.order(pedido_id)
        if pedido is None:
            raise LookupError(f"order {pedido_id} was purged before its idempotency key")
        return Outcome(True, None, pedido)


def _created(command: NewCommand, committed: Committed) -> Pedido:
    """The order that the command has created. Raises LookupError when it has created none."""
    if committed.criado_em is None or command.itens is None:
        raise LookupError(f"command {command.id} created no order")
    return Pedido(
        pedido_id=command.pedido_id,
        cliente_id=command.cliente_id,
        status=Status.CRIADO,
        itens=command.itens,
        itens_em_falta=[],
        criado_em=committed.criado_em,
        atualizado_em=committed.criado_em,
        expira_em=None,
        versao=0,
    )
