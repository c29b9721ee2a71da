"""Deliberate mistakes in the services' code: a simulation that does not find them proves nothing."""

import inspect
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import asyncpg

from estoque import batch, decision, reserve, writes
from estoque.pedido import Pedido
from operador.stock.database import Database
from pedidos import repository, resend, retention
from reservaestoque.bus import Batches
from reservaestoque.postgres import Queries
from reservaestoque.postgres.queries import statements

Apply = Callable[[asyncpg.Connection], AbstractAsyncContextManager[None]]
"""Introduces the mistake, given a connection to estoque's database, and removes it again."""


@dataclass(frozen=True)
class Mutant:
    """A mistake: its description, how it is introduced, and a seed that finds it, which is tried first."""

    error: str
    changes: tuple[Apply, ...]
    seed: int = 0

    @asynccontextmanager
    async def applied(self, estoque: asyncpg.Connection) -> AsyncIterator[None]:
        """Inside the block, the mistake is in the code."""
        async with AsyncExitStack() as stack:
            for change in self.changes:
                await stack.enter_async_context(change(estoque))
            yield


def _replace(text: str, before: str, after: str) -> str:
    if text.count(before) != 1:
        raise LookupError(f"{before!r} occurs {text.count(before)} times in:\n{text}")
    return text.replace(before, after)


def code(function: Any, *replacements: tuple[str, str]) -> Apply:
    """Replaces lines of a function; modules that have imported it are affected too."""
    assert isinstance(function, FunctionType)

    @asynccontextmanager
    async def change(_: asyncpg.Connection) -> AsyncIterator[None]:
        source = textwrap.dedent(inspect.getsource(function))
        for before, after in replacements:
            source = _replace(source, before, after)
        namespace: dict[str, Any] = {}
        exec(f"from __future__ import annotations\n{source}", function.__globals__, namespace)  # noqa: S102
        original = function.__code__
        function.__code__ = namespace[function.__name__].__code__
        try:
            yield
        finally:
            function.__code__ = original

    return change


def statement(sql: Queries, name: str, before: str, after: str) -> Apply:
    """Replaces text in a statement."""

    @asynccontextmanager
    async def change(_: asyncpg.Connection) -> AsyncIterator[None]:
        original, texts = sql[name], statements(sql._package)
        texts[name] = _replace(original, before, after)
        try:
            yield
        finally:
            texts[name] = original

    return change


def sql_function(name: str, *replacements: tuple[str, str]) -> Apply:
    """Replaces text in a function of estoque's database."""

    @asynccontextmanager
    async def change(estoque: asyncpg.Connection) -> AsyncIterator[None]:
        original = await estoque.fetchval("select pg_get_functiondef($1::regproc)", name)
        mutated = original
        for before, after in replacements:
            mutated = _replace(mutated, before, after)
        await estoque.execute(mutated)
        try:
            yield
        finally:
            await estoque.execute(original)

    return change


@asynccontextmanager
async def _sweep_in_two_steps(estoque: asyncpg.Connection) -> AsyncIterator[None]:
    """Finds lapsed orders in one transaction and sweeps them in the next, without rechecking their time."""
    original = await estoque.fetchval("select pg_get_functiondef('sweep_reservas'::regproc)")
    start, end = original.index("select array_agg(t.id)"), original.index(") t;")
    pattern = "select array_agg(t.id) into v_pedidos from (select p.id from pedido p where p.id = any (p_found) "
    pattern += "and p.status = 'EstoqueReservado' order by p.id for update skip locked"
    mutated = original[:start] + pattern + original[end:]
    mutated = mutated.replace("sweep_reservas(p_limit integer)", "sweep_found(p_found uuid[])")
    await estoque.execute(mutated)
    all_found = "select array_agg(id) from pedido where status = 'EstoqueReservado' and expira_em <= agora()"

    async def sweep(self: Database, limit: int) -> int:
        ids = await self._pool.fetchval(all_found)
        return int(await self._pool.fetchval("select sweep_found($1)", ids or []))

    original = Database.sweep
    Database.sweep = sweep  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.sweep = original  # type: ignore[method-assign]
        await estoque.execute("drop function sweep_found")


_delete = """delete from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida
        returning r.sku, r.quantidade"""
_leave = "select r.sku, r.quantidade from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida"
_clock = '        now = await connection.fetchval("select agora()")\n'
_lock_line = "        await _lock_stock(connection, triage.new, [])\n"
_triage_line = "        triage = await _triage(connection, commands, horizon)\n"

MUTANTS: dict[str, Mutant] = {
    "ignores-versions": Mutant(
        "pedidos applies every snapshot, even older ones",
        (
            code(repository.newest, ("event.data.versao > known.versao", "True")),
            statement(repository._sql, "apply_status", " and p.versao < n.versao", ""),
        ),
    ),
    "acknowledges-before-commit": Mutant(
        "messages are acknowledged before their effect is committed",
        (
            code(
                Batches._settle_next,
                ("        await source.acknowledge(settled)\n", "        pass\n"),
                (
                    "    messages = [delivery.message for delivery in deliveries]\n",
                    "    messages = [delivery.message for delivery in deliveries]\n"
                    "    await source.acknowledge(messages)\n",
                ),
            ),
        ),
    ),
    "reserves-paused-items": Mutant(
        "new orders of a paused or deleted item are reserved when there are enough units",
        (statement(reserve._sql, "reserve_new", "l.situacao = 'Ativo' and l.free", "l.free"),),
        seed=3,
    ),
    "reserves-unknown-skus": Mutant(
        "new orders are reserved without the items whose SKU is unknown",
        (statement(reserve._sql, "reserve_new", "count(*) = cardinality($1) and ", ""),),
        seed=1,
    ),
    "decides-redelivered-orders-again": Mutant(
        "a redelivered order that was reserved without a decision is decided a second time",
        (code(batch.process, ("        triage = _move_repeated(triage, known)\n", "")),),
    ),
    "reserves-beyond-event-horizon": Mutant(
        "new orders are reserved however old their event is",
        (
            statement(
                reserve._sql,
                "reserve_new",
                "$3::timestamptz >= agora() - $4::interval",
                "$3::timestamptz is not null and $4::interval is not null",
            ),
        ),
        seed=181,
    ),
    "reserves-new-orders-in-the-past": Mutant(
        "new orders are reserved at the clock's time, although their SKUs changed later",
        (statement(reserve._sql, "reserve_new", "decision_time(max(l.alterado_em), agora())", "agora()"),),
        seed=2,
    ),
    "ignores-lapses": Mutant(
        "a reservation holds until it is swept",
        (
            code(
                Pedido.holds,
                ("self.expira_em is not None and self.expira_em > now", "self.expira_em is not None"),
            ),
        ),
        seed=8,
    ),
    "reads-clock-before-locks": Mutant(
        "the clock is read before the locks are held",
        (code(batch.process, ("stock, now = await", "stock, _ = await"), (_triage_line, _clock + _triage_line)),),
        seed=2,
    ),
    "releases-lines-twice": Mutant(
        "the sweep releases units and leaves the line, which is released again",
        (sql_function("sweep_reservas", (_delete, _leave)),),
    ),
    "sweeps-renewed-orders": Mutant(
        "the sweep ends orders that were renewed after it had found them",
        (_sweep_in_two_steps,),
        seed=15,
    ),
    "ignores-inbox": Mutant(
        "redelivered events take effect again",
        (code(batch._triage, ('triage.new if row["is_new"] else triage.repeated', "triage.new")),),
    ),
    "releases-only-first-sku": Mutant(
        "only the first SKU of an order is released",
        (code(decision._Batch._release, ("pedido.lines.items()", "list(pedido.lines.items())[:1]")),),
    ),
    "skips-locked-stock": Mutant(
        "stock rows locked by another session are skipped",
        (statement(batch._sql, "lock_estoque", "for no key update", "for no key update skip locked"),),
    ),
    "locks-stock-before-orders": Mutant(
        "stock rows are locked before orders, and the sweep locks orders first",
        (code(batch.process, (_triage_line, _triage_line + _lock_line)),),
    ),
    "refuses-only-if-all-items-are-short": Mutant(
        "an order is refused only when all of its items are short",
        (code(decision._Batch._check_stock, ("    if missing:\n", "    if len(missing) == len(pedido.itens):\n")),),
    ),
    "holds-lapsed-units-until-sweep": Mutant(
        "lapsed units are not available to other orders before the sweep",
        (code(batch._release_lapsed, ("if missing:", "if False:")),),
        seed=14,
    ),
    "forgets-refusals": Mutant(
        "a redelivered refused command is answered as if it had been applied",
        (code(writes.write, ("if refusals:", "if False:")),),
    ),
    "overwrites-idempotency-keys": Mutant(
        "an idempotency key stands for the last order sent with it",
        (
            statement(
                repository._sql,
                "claim_keys",
                "c.recusa is not null and c.tipo <> 'PedidoCriado'",
                "true",
            ),
        ),
        seed=17,
    ),
    "never-follows-up-on-lapses": Mutant(
        "a lost expiry notice is never followed up",
        (code(resend.Resend.step, ("    await self._follow_up()\n", "")),),
    ),
    "times-follow-up-from-command": Mutant(
        "the follow-up on a lapse is timed from the command that made the reservation, which may hold longer",
        (statement(resend._sql, "follow_up", "d.expira_em < agora() - $2", "d.criado_em < agora() - $2"),),
        seed=11,
    ),
    "gives-up-unpublished-commands": Mutant(
        "during a broker outage a command is given up and purged, with its message still in the outbox",
        (
            statement(resend._sql, "resend_pedidos", "d.id in (select o.id from in_outbox o)", "false"),
            statement(resend._sql, "resend_comandos", "d.id in (select o.id from in_outbox o)", "false"),
            statement(retention._sql, "purge_comandos", "c.id not in (select o.id from in_outbox o)", "true"),
        ),
        seed=66,
    ),
    "cancels-renewed-orders": Mutant(
        "an order that seems abandoned is cancelled although it has just been renewed",
        (code(decision._Batch._refuse, ("(command.data.versao or pedido.versao)", "pedido.versao")),),
    ),
    "holds-contended-batches": Mutant(
        "a batch that waits for one row is held as a whole",
        (code(Batches._settle, ("contended = is_contended(fault)", "contended = False")),),
        seed=6,
    ),
    "waits-for-claimed-keys": Mutant(
        "commands wait for an idempotency key that a frozen replica is claiming",
        (
            statement(
                repository._sql,
                "claim_keys",
                "not pg_try_advisory_xact_lock(",
                "false and pg_try_advisory_xact_lock(",
            ),
        ),
        seed=5,
    ),
    "moves-sku-clocks-back": Mutant(
        "a batch is decided at the clock's time, although its SKUs changed later",
        (statement(batch._sql, "lock_estoque", "greatest(max(t.alterado_em), $2::timestamptz)", "$2::timestamptz"),),
        seed=2,
    ),
    "never-resends-orders": Mutant(
        "a lost order is never resent",
        (code(resend.Resend.step, ('    await self._resend("resend_pedidos")\n', "")),),
        seed=68,
    ),
    "never-resends-commands": Mutant(
        "a lost command is never resent",
        (code(resend.Resend.step, ('    await self._resend("resend_comandos")\n', "")),),
        seed=5,
    ),
    "never-resends-overtaken-orders": Mutant(
        "an order whose creation another command has overtaken is not resent, though its answer may be lost",
        (statement(repository._sql, "apply_status", "and k.versao = 0", "and false"),),
        seed=21,
    ),
}
"""The mistakes by name; each must be found."""
