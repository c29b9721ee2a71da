"""The scripts in bench/baseline, which pgbench runs on estoque's PostgreSQL server: the baseline, one order per
transaction, and the limit, 200 orders per transaction, which is what PostgreSQL itself can decide.
"""

import re
from pathlib import Path
from typing import NamedTuple

from bench.cpu import busy_seconds
from bench.load_generator import GeneratorError
from local_system import System, commands, postgres
from local_system.config import ROOT
from local_system.ports import HOST

SCRIPTS = ROOT / "bench" / "baseline"
DATABASE = "bench"
LIMIT_BATCH = 200
"""Orders per transaction of the limit's scripts."""
_INITIAL_UNITS = 1_000_000_000
_DISTRIBUTIONS = {"uniform": "uniforme", "zipf": "uniforme", "hot": "quente"}
"""The scripts are verbatim copies, including their file names. None is skewed, so Zipf is compared with uniform."""


def script_of(distribution: str, itens: int) -> str:
    """The name of the script that corresponds to a distribution."""
    return f"{_DISTRIBUTIONS[distribution]}_{itens}"


def prepare(system: System) -> None:
    """Recreates its database: no orders, full stock."""
    missing = f"where not exists (select from pg_database where datname = '{DATABASE}')"
    _psql(system, "postgres", f"select 'create database {DATABASE}' {missing} \\gexec")
    _psql(
        system,
        DATABASE,
        f"\\set estoque_inicial {_INITIAL_UNITS}\n{(SCRIPTS / 'schema.sql').read_text()}\ncheckpoint;",
    )


class Measured(NamedTuple):
    """Orders per second, and the CPU seconds of the whole machine per order."""

    per_second: float
    cpu_seconds: float


def limit_of(distribution: str, itens: int) -> str | None:
    """The name of the script that decides such orders in batches; None without one."""
    name = f"lote{LIMIT_BATCH}_{script_of(distribution, itens)}"
    return name if distribution != "zipf" and (SCRIPTS / f"{name}.sql").exists() else None


def measure(system: System, script: str, seconds: int) -> Measured:
    """Runs a script of the baseline with 32 clients."""
    return _pgbench(system, script, seconds, ["-M", "prepared", "-c", "32", "-j", "2"])


def measure_limit(system: System, script: str, seconds: int) -> Measured:
    """Runs a script of the limit with four clients."""
    _psql(system, DATABASE, (SCRIPTS / "lote.sql").read_text())
    measured = _pgbench(system, script, seconds, ["-c", "4", "-j", "1"])
    return Measured(measured.per_second * LIMIT_BATCH, measured.cpu_seconds / LIMIT_BATCH)


def _pgbench(system: System, script: str, seconds: int, options: list[str]) -> Measured:
    argv: list[str | Path] = [postgres.BIN / "pgbench", "-n", *options, "-T", str(seconds)]
    argv += ["-f", SCRIPTS / f"{script}.sql", "-h", HOST, "-p", str(system.layout.ports.postgres_estoque)]
    env = {"PGPASSWORD": system.layout.secrets["postgres"], "PGSSLMODE": "disable"}
    before = busy_seconds()
    output = commands.run(system.layout, [*argv, "-U", "postgres", DATABASE], env=env, seconds=seconds + 60.0)
    cpu = busy_seconds() - before
    return Measured(parse(output), cpu / transactions(output))


def transactions(output: str) -> int:
    """The number of transactions in pgbench's report. Raises GeneratorError without one."""
    processed = re.search(r"^number of transactions actually processed: (\d+)", output, re.M)
    if processed is None:
        raise GeneratorError(f"pgbench failed: {output.strip()}")
    return int(processed[1])


def parse(output: str) -> float:
    """Transactions per second from pgbench's report. Raises GeneratorError if any failed or none completed."""
    tps = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", output, re.M)
    failures = re.search(r"^number of failed transactions: (\d+)", output, re.M)
    if tps is None or float(tps[1]) == 0 or (failures and failures[1] != "0"):
        raise GeneratorError(f"pgbench failed: {output.strip()}")
    return float(tps[1])


def _psql(system: System, database: str, script: str) -> None:
    postgres.psql(system.layout, database, system.layout.ports.postgres_estoque, script)
