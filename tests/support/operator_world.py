"""The verbs of the operator's integration tests: kubectl, SQL, and estoque's own code to reserve and sell."""

import asyncio
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import commands
import httpx
import pytest
from stock_items import StockItems, path

from estoque.batch import process
from estoque.scarcity import Scarcity
from local_system import System
from local_system.checks import PLAIN_HTTP
from local_system.ports import HOST
from reservaestoque.events import Comando

RESYNC_INTERVAL = "3s"
EVENT_HORIZON = timedelta(days=6)
BATCH = 200
STOCKITEMS = "/apis/reservaestoque.dev/v1/namespaces/default/stockitems"

ROW = "select {columns} from estoque where sku = '{sku}'"
ROWS = "select count(*) from estoque where dono like 'default/{prefix}%'"
PEDIDO = "select status from pedido where id = '{pedido}'"
EDIT = "update estoque set {change} where sku = '{sku}'"
UNDECLARED = "insert into estoque (sku, nome, alvo, quantidade, dono) values ('{sku}', 'x', 5, 5, 'default/{sku}')"
CONSTRAIN = "alter table estoque add constraint {name} check ({condition}) not valid"
UNCONSTRAIN = "alter table estoque drop constraint {name}"
LOCK = "select 1 from pedido where id = $1 for update"
LIVE_LINES = "select count(*) from reserva where sku like '{prefix}-%'"
FACT = """
select count(*) from outbox o cross join lateral unnest(o.pedidos, o.status) as f (pedido_id, status)
where f.pedido_id = '{pedido}' and f.status = 'ReservaExpirada'
"""
FACTS = """
select count(*) from outbox o cross join lateral unnest(o.pedidos, o.status) as f (pedido_id, status)
join pedido p on p.id = f.pedido_id
where f.status = 'ReservaExpirada' and p.itens::text like '%{prefix}-%'
"""
LAPSE = """
begin;
update pedido set expira_em = agora() + random() * interval '1 second'
where id in (select pedido_id from reserva where sku like '{prefix}-%');
update reserva r set expira_em = p.expira_em from pedido p where p.id = r.pedido_id and r.sku like '{prefix}-%';
commit;
"""
DELETE = "delete from estoque where sku = '{sku}'"


@dataclass
class World:
    """The system, and the verbs that the tests use; in the namespace `default` unless `ns` is given."""

    system: System
    stock_items: StockItems
    created: list[tuple[str, str]] = field(default_factory=list)
    creating: list[threading.Thread] = field(default_factory=list)
    itens: dict[uuid.UUID, dict[str, int]] = field(default_factory=dict)

    def kubectl(self, *args: str, stdin: str = "") -> str:
        return self.system.kubectl(*args, stdin=stdin)

    def rejection(self, manifest: dict[str, Any], **params: str) -> str:
        with pytest.raises(httpx.HTTPStatusError) as rejected:
            self.stock_items.create(manifest, **params)
        return str(rejected.value)

    def apply(self, item: str, /, *, ns: str = "default", **spec: Any) -> None:
        self.stock_items.apply(manifest(item, ns=ns, **spec))
        self.created.append((ns, item))

    def apply_list(self, items: list[dict[str, Any]]) -> None:
        """Applies all these StockItems at once."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.kubectl("apply", "--server-side", "--filename=-", stdin=body)
        self.created.extend((i["metadata"]["namespace"], i["metadata"]["name"]) for i in items)

    def apply_many(self, prefix: str, n: int, *, wait: bool = True) -> None:
        """Creates StockItems `prefix-0` and so on at once; does not wait for the last one unless `wait`."""
        items = [manifest(f"{prefix}-{i}", quantity=i + 1) for i in range(n)]
        for item in items:
            item["metadata"]["labels"] = {"batch": prefix}
        self.creating.append(threading.Thread(target=self.stock_items.create, args=items))
        self.creating[-1].start()
        if wait:
            self.creating[-1].join()

    def delete_many(self, prefix: str) -> None:
        """Deletes what `apply_many` created."""
        self.stock_items.delete_labelled(f"batch={prefix}")

    def delete(self, name: str, *, ns: str = "default") -> None:
        self.stock_items.delete(name, ns=ns)

    def read(self, name: str, *, ns: str = "default") -> dict[str, Any] | None:
        return self.stock_items.get(path(ns, name))

    def take_finalizers(self, name: str, *, ns: str = "default") -> None:
        """Removes all finalizers by force."""
        self.stock_items.merge(name, {"metadata": {"finalizers": None}}, ns=ns)

    def _list(self, where: str, **query: str) -> list[dict[str, Any]]:
        return (self.stock_items.get(where, **query) or {})["items"]

    def status(self, name: str, *, ns: str = "default") -> dict[str, Any]:
        return (self.read(name, ns=ns) or {}).get("status", {})

    def reason(self, name: str, condition: str = "Synced", *, ns: str = "default") -> str:
        return self.condition(name, condition, ns=ns).get("reason", "")

    def condition(self, name: str, condition: str = "Synced", *, ns: str = "default") -> dict[str, Any]:
        conditions = self.status(name, ns=ns).get("conditions", [])
        return next((c for c in conditions if c["type"] == condition), {})

    def numbers(self, name: str) -> tuple[int | None, ...]:
        """available, reserved, sold, onHand"""
        status = self.status(name)
        return tuple(status.get(field) for field in ("available", "reserved", "sold", "onHand"))

    def events(self, name: str, *, ns: str = "default") -> list[str]:
        events = self._list(f"/api/v1/namespaces/{ns}/events", fieldSelector=f"involvedObject.name={name}")
        return [event["reason"] for event in events]

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """The StockItems whose names have this prefix."""
        return [item for item in self._list(STOCKITEMS) if item["metadata"]["name"].startswith(prefix)]

    def synced(self, prefix: str) -> int:
        """The number of Synced items whose names have this prefix."""
        return sum(
            c["reason"] == "Synced"
            for item in self.items(prefix)
            for c in item.get("status", {}).get("conditions", [])
        )

    def versions(self, prefix: str) -> dict[str, str]:
        return {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in self.items(prefix)}

    def lose_items(self, *names: str) -> None:
        """Makes StockItems vanish without the operator's involvement."""
        for name in names:
            self.delete(name)
            self.take_finalizers(name)

    def calls(self) -> float:
        """Calls of sync_items by the system's operator."""
        text = httpx.get(f"{self.system.metrics_url('operator')}/metrics", verify=PLAIN_HTTP).text
        return next(float(li.split()[1]) for li in text.splitlines() if li.startswith("operador_batch_items_count"))

    @contextmanager
    def without_cluster(self) -> Iterator[None]:
        """etcd and kube-apiserver are down inside the block, up after it."""
        for part in ("kube-apiserver", "etcd"):
            self.system.stop(part)
        try:
            yield
        finally:
            for part in ("etcd", "kube-apiserver"):
                self.system.start(part)

    def write_to_etcd(self, times: int) -> None:
        """Raises the revision of a stopped etcd."""
        if not times:
            return
        self.system.start("etcd")
        url = f"http://{HOST}:{self.system.layout.ports.etcd}/v3/kv/put"
        with httpx.Client(verify=PLAIN_HTTP, trust_env=False) as etcd:
            for _ in range(times):
                etcd.post(url, json={"key": "aw==", "value": ""}).raise_for_status()
        self.system.stop("etcd")

    def sql(self, statement: str, **values: Any) -> str:
        return self.system.psql("estoque", statement.format(**values)).strip()

    def row(self, sku: str, columns: str) -> str:
        """Columns of the stock row, separated by bars."""
        return self.sql(ROW, sku=sku, columns=columns)

    def rows(self, prefix: str) -> int:
        """The number of stock rows whose owner's name has this prefix."""
        return int(self.sql(ROWS, prefix=prefix))

    def edit_row(self, sku: str, change: str) -> None:
        """Edits the row by hand."""
        self.sql(EDIT, sku=sku, change=change)

    def add_undeclared_row(self, sku: str) -> None:
        self.sql(UNDECLARED, sku=sku)

    def remove_row(self, sku: str) -> None:
        self.sql(DELETE, sku=sku)

    @contextmanager
    def database_rule(self, name: str, condition: str) -> Iterator[None]:
        """A rule that PostgreSQL enforces and the CRD does not know."""
        self.sql(CONSTRAIN, name=name, condition=condition)
        try:
            yield
        finally:
            self.sql(UNCONSTRAIN, name=name)

    @contextmanager
    def order_locked(self, pedido: uuid.UUID) -> Iterator[None]:
        """Another session holds this order's lock inside the block."""
        with asyncio.Runner() as runner:
            connection = runner.run(asyncpg.connect(self.system.database_url("estoque")))
            runner.run(connection.execute("begin"))
            runner.run(connection.execute(LOCK, pedido))
            try:
                yield
            finally:
                runner.run(connection.close())

    def live_lines(self, prefix: str) -> int:
        """Lines of reservations that have not been swept."""
        return int(self.sql(LIVE_LINES, prefix=prefix))

    def facts(self, prefix: str) -> int:
        """The number of facts in the outbox about lapsed orders of these items."""
        return int(self.sql(FACTS, prefix=prefix))

    def lapse_facts(self, pedido: uuid.UUID) -> int:
        """Number of times that the outbox reports that the order's reservation lapsed."""
        return int(self.sql(FACT, pedido=pedido))

    def pedido(self, pedido: uuid.UUID) -> str:
        """The order's status."""
        return self.sql(PEDIDO, pedido=pedido)

    def reservar(self, sku: str, n: int, *, ttl: float = 600) -> uuid.UUID:
        comando = commands.criar(**{sku: n})
        pedido = comando.data.pedido_id
        self.itens[pedido] = {sku: n}
        self._decide([[comando]], timedelta(seconds=ttl))
        return pedido

    def fechar(self, pedido: uuid.UUID) -> None:
        self._decide([[commands.fechar(pedido, **self.itens[pedido])]])

    def cancelar(self, pedido: uuid.UUID) -> None:
        self._decide([[commands.cancelar(pedido)]])

    def reservar_many(self, prefix: str, n: int, *, items: int) -> None:
        """Creates `n` reservations of one unit, over items `prefix-0` and so on."""
        new = [commands.criar(**{f"{prefix}-{i % items}": 1}) for i in range(n)]
        self._decide([new[i : i + BATCH] for i in range(0, n, BATCH)], timedelta(hours=1))

    def lapse(self, prefix: str) -> None:
        """Makes these items' reservations lapse one after the other, within a second."""
        self.sql(LAPSE, prefix=prefix)

    def _decide(self, batches: Sequence[Sequence[Comando]], ttl: timedelta = timedelta()) -> None:
        """Decides these commands with estoque's code, on its database."""

        async def decide() -> None:
            connection = await asyncpg.connect(self.system.database_url("estoque"))
            try:
                for batch in batches:
                    await process(connection, batch, ttl, EVENT_HORIZON, Scarcity())
            finally:
                await connection.close()

        with asyncio.Runner() as runner:
            runner.run(decide())


@dataclass
class OperatorProcess:
    """An additional operator beside the system's."""

    process: "subprocess.Popen[bytes]"
    log: Path
    url: str

    def wait_ready(self) -> None:
        wait_until(lambda: self.health("ready")[0], 200, seconds=60)

    def health(self, which: str) -> tuple[int, str]:
        """Status and text of /health/`which`; 0 while nothing listens."""
        try:
            response = httpx.get(f"{self.url}/health/{which}", timeout=5, verify=PLAIN_HTTP)
        except httpx.TransportError as fault:
            return 0, str(fault)
        return response.status_code, response.text

    def metric(self, name: str) -> float | None:
        text = httpx.get(f"{self.url}/metrics", timeout=5, verify=PLAIN_HTTP).text
        return next((float(li.split()[1]) for li in text.splitlines() if li.startswith(f"{name} ")), None)


def manifest(item: str, /, *, ns: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": item, "namespace": ns},
        "spec": {"name": "Produto de teste", **spec},
    }


def wait_until(value: Callable[[], Any], expected: Any, *, seconds: float = 30) -> None:
    """Waits until `value()` is `expected`; fails with the last value.

    It polls for at most a quarter of the time: a list of a thousand StockItems keeps the API server busy.
    """
    end = time.monotonic() + seconds
    began = time.monotonic()
    while (seen := value()) != expected:
        now = time.monotonic()
        assert now < end, f"expected {expected!r} within {seconds} s, last seen {seen!r}"
        time.sleep(max(0.1, 3 * (now - began)))
        began = time.monotonic()
