"""The system under test: fills, resets, drains and audits it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import httpx

from bench.distribution import SKUS, pedidos
from local_system import System, postgres, programs, rabbitmq
from local_system.config import REPLICATED

SQL = Path(__file__).with_name("sql")
UNITS = 1_000_000_000
BODIES = 50_000


class BenchError(Exception):
    """The benchmark cannot continue; the message is for people."""


class Shop:
    """A running local system, and a folder for working files."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.observer: Callable[[], AbstractContextManager[None]] = nullcontext  # wraps each measurement
        # Shared, since creating a client takes tens of milliseconds. Programs restart, so keep no connections.
        self.http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def sql(self, database: str, file: str, prelude: str = "", **variables: object) -> str:
        """Runs a file of `sql/` as superuser, after `prelude`; returns its output."""
        sets = "".join(f"\\set {name} {value}\n" for name, value in variables.items())
        return self.psql(database, f"{sets}{prelude}\n{(SQL / f'{file}.sql').read_text()}")

    def psql(self, database: str, script: str, seconds: float = 1800) -> str:
        """Runs a script as superuser; returns its output."""
        port: int = getattr(self.system.layout.ports, f"postgres_{database}")
        return postgres.psql(self.system.layout, database, port, script, seconds).strip()

    def reset(self, *, skus: int = SKUS, hot_units: int | None = None) -> None:
        """Removes all orders and creates `skus` SKUs with full stock; SKU 1 gets `hot_units` if given."""
        hot = UNITS if hot_units is None else hot_units
        self.sql("pedidos", "empty_pedidos")
        self.sql("estoque", "empty_estoque", skus=skus, units=UNITS, hot_units=hot)
        self.checkpoint()

    def warm_up(self) -> None:
        """Makes both servers recycle WAL files, as long-running servers do."""
        for database in ("pedidos", "estoque"):
            self.sql(database, "warm_up")

    def checkpoint(self) -> None:
        """Checkpoints both servers, so that every measurement starts with no dirty pages."""
        for database in ("pedidos", "estoque"):
            self.psql(database, "checkpoint;")

    def bodies(self, distribution: str, itens: int, skus: int = SKUS) -> Path:
        """A file of order bodies, one per line; deterministic."""
        file = self.folder / f"{distribution}-{itens}-{skus}.jsonl"
        if not file.exists():
            lines = (
                json.dumps(pedido, separators=(",", ":")) + "\n" for pedido in pedidos(distribution, itens, 5, skus)
            )
            file.write_text("".join(islice(lines, BODIES)))
        return file

    def queue_orders(self, count: int, bodies: Path) -> None:
        """Commits `count` orders in pedidos without publishing them."""
        prelude = "create temp table body (n bigint generated always as identity, body json);\n"
        prelude += f"\\copy body (body) from '{bodies}'\n"
        self.sql("pedidos", "ready_pedidos", prelude, count=count)

    def insert_reservas(self, count: int, *, lapse_at: int, skus: int) -> None:
        """Inserts `count` reserved orders of one item over the first `skus` SKUs; lapsing at `lapse_at` (epoch)."""
        created_at = round(time.time()) - 3600 - count // 1000
        with stopped(self.system, "conferir"):  # it would report orders that are in only one database
            # estoque first: pedidos follows up on lapsed reservations at once.
            for database in ("estoque", "pedidos"):
                self.sql(
                    database,
                    f"reservas_in_{database}",
                    count=count,
                    lapse_at=lapse_at,
                    skus=skus,
                    created_at=created_at,
                )
        self.checkpoint()

    def pending(self) -> int:
        """The number of undecided orders and unpublished events."""
        return int(self.sql("pedidos", "pending")) + int(self.sql("estoque", "outbox"))

    def drain(self, seconds: float = 600) -> float:
        """Waits until nothing is in flight; returns the seconds it took. Raises BenchError after `seconds`."""
        try:
            return self.wait_until(lambda: self.pending() == 0, seconds, "orders are still in flight")
        except BenchError as error:
            if reason := rabbitmq.blocked(self.system.layout):
                raise BenchError(f"{error}: {reason}") from error
            raise

    def wait_until(
        self, condition: Callable[[], bool], seconds: float, complaint: str, *, interval: float = 0.5
    ) -> float:
        """Polls `condition` every `interval` seconds; returns the seconds it took.

        Raises BenchError with `complaint` after `seconds`.
        """
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds:
                raise BenchError(f"after {seconds:.0f} s {complaint}")
            time.sleep(interval)
        return time.monotonic() - started

    def conferir(self, *, at_rest: bool = True) -> str:
        """Runs the audit; returns its summary. Raises BenchError with the violations."""
        argv = [sys.executable, "-m", "conferir", *(["--at-rest"] if at_rest else [])]
        env = {**os.environ, **programs.conferir_env(self.system.layout)}
        completed = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if completed.returncode:
            raise BenchError(f"conferir: {(completed.stdout + completed.stderr).strip()[-2000:]}")
        return completed.stdout.strip().splitlines()[-1]

    @contextmanager
    def replicas(self, **counts: int) -> Iterator[None]:
        """Runs the block with this many replicas of a service."""
        before = self.system
        replicas = {**before.config.replicas, **counts}
        if replicas == {**dict.fromkeys(REPLICATED, 1), **before.config.replicas}:
            yield
            return
        self.system = System(replace(before.config, ports=before.layout.ports, replicas=replicas))
        try:
            self.system.up()
            yield
        finally:
            self.system = before
            self.system.up()

    @contextmanager
    def settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Runs the block with additional settings of the gateway and the programs, which are restarted."""
        if not settings:
            yield
            return
        before = self.system
        config = replace(before.config, ports=before.layout.ports, settings={**before.config.settings, **settings})
        self._exchange(System(config))
        try:
            yield
        finally:
            self._exchange(before)

    def _exchange(self, system: System) -> None:
        for part in ("gateway", *programs.PROGRAMS):
            self.system.stop(part)
        self.system = system
        system.up()


@contextmanager
def stopped(system: System, program: str) -> Iterator[None]:
    """Stops all replicas of a program for the block, then starts them in parallel."""
    system.stop(program)
    try:
        yield
    finally:
        replicas = system.names(program)
        with ThreadPoolExecutor(len(replicas)) as pool:
            list(pool.map(system.start, replicas))
