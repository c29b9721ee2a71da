"""Checks every commit, every acknowledgement and the end of a seed against the model. Watches from outside.

Reads rows in key order: their physical order may differ from run to run, and the first of several violations is
reported.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from conferir import ledger
from reservaestoque.events import AtualizarStatus, CloudEvent, ItemEmFalta
from simulator.model import FINAL_STATUSES, Model, Reply, Request, Snapshot
from simulator.network import Message, Queue
from simulator.times import Times
from simulator.world import Party, ViolationError, World

_LOCKED = {
    "estoque": (
        "select id as pedido_id from pedido where xmax::text = $1",
        "select unnest(pedidos) as pedido_id from outbox where xmax::text = $1",
    ),
    "pedidos": (
        "select id as pedido_id from pedido where xmax::text = $1",
        "select coalesce(c.pedido_id, u.id) as pedido_id from outbox o cross join unnest(o.comandos) as u (id) "
        "left join comando c on c.id = u.id where o.xmax::text = $1",
    ),
}
"""Orders whose rows a transaction holds: it is the `xmax` of rows that it has locked, changed or deleted."""
_COMMITTED = "select array(select o from outbox o order by id), array(select e from estoque e order by sku)"
_VERSIONS = "select id, versao from pedido where id = any ($1)"
_PROCESSED = """
select evento_id as id from inbox where evento_id = any ($1) union select criacao from pedido where criacao = any ($1)
"""

_FACT = {
    "pedido_id": "pedidos",
    "versao": "versoes",
    "status": "status",
    "causa": "causas",
    "recusa": "recusas",
    "expira_em": "expira_em",
    "itens_em_falta": "itens_em_falta",
}
"""The fields of a fact, and the columns of estoque's outbox that have them."""

_read_shortages = msgspec.json.Decoder(list[ItemEmFalta]).decode


@dataclass(frozen=True)
class Declaration:
    """The new spec of a StockItem that is being changed."""

    dono: str
    sku: str
    alvo: int
    paused: bool
    ending: bool


@dataclass
class Judge:
    """Remembers the commands requested (`orders`) and accepted (`commanded`), the orders accepted (`accepted`), and
    estoque's reports (`history`) and answers (`answered`).
    """

    world: World
    model: Model
    times: Times
    orders: dict[UUID, Request] = field(default_factory=dict)
    accepted: set[UUID] = field(default_factory=set)
    commanded: set[UUID] = field(default_factory=set)
    answered: set[UUID] = field(default_factory=set)
    history: dict[tuple[UUID, int], Snapshot] = field(default_factory=dict)
    declaring: dict[str, list[Declaration]] = field(default_factory=dict)
    unpublished: dict[str, int] = field(default_factory=lambda: {"estoque": 0, "pedidos": 0})
    _seen: set[int] = field(default_factory=set)
    _versions: dict[UUID, int] = field(default_factory=dict)
    _clocks: dict[UUID, datetime] = field(default_factory=dict)
    _ended: dict[UUID, datetime] = field(default_factory=dict)
    _marks: dict[str, datetime] = field(default_factory=dict)

    async def after_commit(self, party: Party, database: str) -> None:
        """Checks a party's latest commit."""
        monitor = self.world.monitors[database]
        if database == "estoque":
            outbox, skus = await monitor.fetchrow(_COMMITTED)
            self.unpublished[database] = sum(row["quantos"] for row in outbox)
            await self._check_estoque(party, monitor, outbox, skus)
        else:
            self.unpublished[database] = await monitor.fetchval("select coalesce(sum(quantos), 0) from outbox")
            if party.name.startswith("pedidos"):
                await self._check_orders(monitor)

    async def _check_estoque(
        self,
        party: Party,
        monitor: asyncpg.Connection,
        outbox: Sequence[asyncpg.Record],
        skus: Sequence[asyncpg.Record],
    ) -> None:
        declared = self.declaring.pop(party.name, [])
        instant = max([party.instant, *(self._marks.get(d.sku, party.instant) for d in declared)])
        for declaration in declared:
            self.model.declare(
                declaration.dono,
                declaration.sku,
                declaration.alvo,
                paused=declaration.paused,
                ending=declaration.ending,
                now=instant,
            )
        # Ids are assigned before the commit: the newest row need not have the highest.
        new_rows = [row for row in outbox if row["id"] not in self._seen]
        self._seen.update(row["id"] for row in new_rows)
        for row in new_rows:
            for fact in facts_of(row):
                await self._judge(fact)
        self._check_clocks(skus)
        if new_rows:
            await self._check_balances(monitor)

    async def _request_of(self, causa: UUID) -> Request:
        """The request that caused an event. If no customer sent it, pedidos did, to cancel an abandoned order."""
        if causa not in self.orders:
            comando = await self.world.monitors["pedidos"].fetchrow("select * from comando where id = $1", causa)
            if comando is None or comando["tipo"] != "CancelarPedido":
                raise ViolationError(f"estoque answered {causa}, which was never sent")
            pedido, versao = comando["pedido_id"], comando["se_versao"]
            seen = self.history.get((pedido, versao))
            if seen is None or not self._abandoned(seen):
                raise ViolationError(f"pedidos cancels order {pedido}, which had not lapsed at version {versao}")
            self.orders[causa] = Request(causa, comando["tipo"], pedido, {}, versao)
        return self.orders[causa]

    def _abandoned(self, seen: Snapshot) -> bool:
        unheard = seen.expira_em is not None and self.world.now - seen.expira_em > self.times.abandoned_after
        self.world.seen["cancelled unheard"] += unheard
        return seen.status == "ReservaExpirada" or unheard

    async def _judge(self, fact: Mapping[str, Any]) -> None:
        pedido, now = fact["pedido_id"], fact["criado_em"]
        self._check_instant(fact)
        try:
            if fact["causa"] is None:
                expected = self.model.sweep(pedido, now)
            else:
                self.answered.add(fact["causa"])
                expected = self.model.answer(await self._request_of(fact["causa"]), now)
        except AssertionError as error:
            raise ViolationError(str(error)) from error
        actual = Reply(snapshot(fact), fact["recusa"])
        self.world.seen.update([actual.snapshot.status, *filter(None, [actual.recusa])])
        if actual != expected:
            raise ViolationError(f"order {pedido}: estoque reported\n  {actual}\nexpected\n  {expected}")
        self.history[pedido, actual.snapshot.versao] = actual.snapshot

    def _check_instant(self, fact: Mapping[str, Any]) -> None:
        """The clock of an order and of its SKUs never goes back. A repeated answer was decided earlier."""
        pedido, now = fact["pedido_id"], fact["criado_em"]
        if (pedido, fact["versao"]) not in self.history:
            if now < self._clocks.get(pedido, now):
                raise ViolationError(f"order {pedido} was decided at {now}, before an earlier decision")
            self._clocks[pedido] = now
            if fact["status"] in FINAL_STATUSES:
                self._ended.setdefault(pedido, now)
        for sku in self.model.itens.get(pedido, {}) if fact["causa"] is not None else {}:
            if now < self._marks.get(sku, now):
                raise ViolationError(f"order {pedido} was decided at {now}, and {sku} changed at {self._marks[sku]}")

    def _check_clocks(self, skus: Iterable[asyncpg.Record]) -> None:
        """The clock of a SKU never goes back."""
        for row in skus:
            mark = self._marks.get(row["sku"], row["alterado_em"])
            if row["alterado_em"] < mark:
                raise ViolationError(f"{row['sku']} changed at {row['alterado_em']}, after {mark}")
            self._marks[row["sku"]] = row["alterado_em"]

    async def _check_balances(self, monitor: asyncpg.Connection) -> None:
        saldos = "select sku, alvo, situacao, reservado, vendido, disponivel from saldo order by sku"
        for row in await monitor.fetch(saldos):
            product = self.model.products[row["sku"]]
            now = max(self.world.now, self._marks[row["sku"]])
            expected = (
                product.alvo,
                product.situacao,
                self.model.reservado(row["sku"], now),
                product.vendido,
                max(self.model.disponivel(row["sku"], now), 0),
            )
            if tuple(row)[1:] != expected:
                raise ViolationError(f"balance of {row['sku']}: {tuple(row)[1:]}, expected {expected}")

    async def _check_orders(self, monitor: asyncpg.Connection) -> None:
        """pedidos shows only snapshots that estoque has published, and never an older one than before."""
        for row in await monitor.fetch("select * from pedido where versao > 0 order by id"):
            pedido, versao = row["id"], row["versao"]
            if versao < self._versions.get(pedido, 0):
                raise ViolationError(f"order {pedido} went back from version {self._versions[pedido]} to {versao}")
            self._versions[pedido] = versao
            if self.history.get((pedido, versao)) != snapshot(row):
                raise ViolationError(f"order {pedido}: pedidos shows {snapshot(row)}, which estoque never reported")

    async def on_acknowledge(self, queue: Queue, messages: Sequence[Message]) -> None:
        """A message may be acknowledged only when the effect of all its events is committed."""
        events = [event for message in messages for event in queue.decoder.decode(message.body)[0]]
        done = await self._done(events)
        for event in events:
            kept = _dead_lettered(queue, event) or _put_back(queue, event, messages)
            if event.id not in done and not kept:
                raise ViolationError(f"acknowledged before its effect was committed: {event}")

    async def _done(self, events: Sequence[CloudEvent]) -> set[object]:
        """The ids of the events whose effect is committed."""
        reports = [event for event in events if isinstance(event, AtualizarStatus)]
        commands = [event.id for event in events if not isinstance(event, AtualizarStatus)]
        done: set[object] = set()
        if reports:
            orders = [event.data.pedido_id for event in reports]
            versions = dict(await self.world.monitors["pedidos"].fetch(_VERSIONS, orders))
            done |= {e.id for e in reports if versions.get(e.data.pedido_id, -1) >= e.data.versao}
        if commands:
            done |= {row["id"] for row in await self.world.monitors["estoque"].fetch(_PROCESSED, commands)}
        return done

    async def waiting_without_reason(self, frozen: Party, queues: Iterable[Queue]) -> set[UUID]:
        """Orders that wait for an answer although they need no row that a frozen party holds."""
        waiting = await self.world.monitors["pedidos"].fetch(
            "select pedido_id from comando where reenviar_em is not null "
            "union select id from pedido where versao = 0 and perguntar_em is not null"
        )
        held = await self._held_by(frozen)
        for queue in queues:
            for deliveries, messages in queue.delivered.items():
                if deliveries.party is frozen:
                    held |= {e.data.pedido_id for m in messages for e in queue.decoder.decode(m.body)[0]}
        return {row["pedido_id"] for row in waiting} - held

    async def _held_by(self, frozen: Party) -> set[UUID]:
        """The orders that need rows that the party's transaction has locked, changed, or deleted."""
        assert frozen.transaction is not None
        database, pid = frozen.transaction
        monitor = self.world.monitors[database]
        xid = await monitor.fetchval("select backend_xid::text from pg_stat_activity where pid = $1", pid)
        held: set[UUID] = set()
        for query in _LOCKED[database]:
            held |= {row["pedido_id"] for row in await monitor.fetch(query, xid)}
        if database == "estoque":
            rows = await monitor.fetch("select sku from estoque where xmax::text = $1", xid)
            skus = {row["sku"] for row in rows}
            held |= {order.pedido_id for order in self.orders.values() if skus & order.itens.keys()}
        return held

    async def ledger_violations(self) -> list[str]:
        """The violated rules of the ledger."""
        return [str(v) for v in await ledger.violations(self.world.monitors["estoque"])]

    async def check_end(self, dead: Iterable[tuple[bytes, str]]) -> None:
        """At rest, no answer is outstanding, and both services and the model agree."""
        in_estoque, in_pedidos = await self._orders_in("estoque"), await self._orders_in("pedidos")
        problems = await self.ledger_violations()
        problems += [f"dead letter: {reason}: {body[:200]!r}" for body, reason in dead]
        problems += [
            f"order {k}: pedidos {in_pedidos[k]}, estoque {in_estoque[k]}"
            for k in in_pedidos.keys() & in_estoque.keys()
            if in_pedidos[k] != in_estoque[k]
        ]
        problems += [
            f"order {k}: pedidos {actual}, model {self.model.snapshots.get(k)}"
            for k, actual in in_pedidos.items()
            if actual != self.model.snapshots.get(k)
        ]
        times = self.times
        problems += [
            f"order {k} was forgotten by estoque"
            for k in in_pedidos.keys() - in_estoque.keys()
            if not self._forgettable(k, times.estoque_order_retention)
        ]
        problems += [
            f"order {k} was accepted and is lost"
            for k in self.accepted - in_pedidos.keys()
            if not self._forgettable(k, times.pedidos_order_retention)
        ]
        problems += [f"command {k} was accepted and is lost" for k in self.commanded - self.answered]
        problems += [f"order {k} was left undecided" for k, actual in in_pedidos.items() if actual.status == "Criado"]
        problems += [
            f"order {k}: estoque {actual}, model {self.model.snapshots.get(k)}"
            for k, actual in in_estoque.items()
            if actual != self.model.snapshots.get(k)
        ]
        problems += [
            f"order {k}: {actual} although it has lapsed"
            for k, actual in in_estoque.items()
            if actual.status not in FINAL_STATUSES and actual.expira_em and actual.expira_em <= self.world.now
        ]
        if problems:
            raise ViolationError("\n".join(problems))

    def _forgettable(self, pedido_id: UUID, kept: timedelta) -> bool:
        snapshot = self.model.snapshots.get(pedido_id)
        # estoque's instant may be ahead of the clock that pedidos read when it received the snapshot.
        # A command that arrives after the end creates a new version of it, which pedidos may not receive in time.
        old = self.world.now - self._ended.get(pedido_id, self.world.now) > kept - self.world.step_back
        return old and snapshot is not None and snapshot.status in FINAL_STATUSES

    async def _orders_in(self, database: str) -> dict[UUID, Snapshot]:
        rows = await self.world.monitors[database].fetch("select * from pedido order by id")
        return {row["id"]: snapshot(row) for row in rows}


def facts_of(row: asyncpg.Record) -> Iterator[Mapping[str, Any]]:
    """The facts in a row of estoque's outbox, in order. Raises ViolationError unless there are `quantos` of them."""
    columns = {name: row[column] or [None] * row["quantos"] for name, column in _FACT.items()}
    if {len(values) for values in columns.values()} != {row["quantos"]}:
        raise ViolationError(f"a row of the outbox does not have {row['quantos']} facts: {row}")
    for values in zip(*columns.values(), strict=True):
        yield {**dict(zip(columns, values, strict=True)), "criado_em": row["criado_em"]}


def snapshot(row: Any) -> Snapshot:
    """The snapshot in a row of `pedido`, or in a fact of estoque's outbox."""
    shortages = tuple(
        (f.sku, f.solicitado, f.disponivel, str(f.motivo)) for f in _read_shortages(row["itens_em_falta"])
    )
    return Snapshot(row["status"], row["versao"], row["expira_em"], shortages)


def _put_back(queue: Queue, event: CloudEvent, messages: Sequence[Message]) -> bool:
    """Whether another message contains the event as well."""
    others = [*queue.messages, *(m for delivered in queue.delivered.values() for m in delivered)]
    return any(str(event.id).encode() in m.body for m in others if m not in messages)


def _dead_lettered(queue: Queue, event: CloudEvent) -> bool:
    return any(str(event.id).encode() in body for body, _ in queue.dead)
