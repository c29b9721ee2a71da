"""The baseline in bench/baseline, one order per transaction: pgbench on estoque's PostgreSQL server."""

import re
from pathlib import Path

from bench.load_generator import GeneratorError
from local_system import System, commands, postgres
from local_system.config import ROOT
from local_system.ports import HOST

SCRIPTS = ROOT / "bench" / "baseline"
DATABASE = "bench"
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


def measure(system: System, script: str, seconds: int) -> float:
    """Runs a script with 32 clients; returns orders per second."""
    argv: list[str | Path] = [
        postgres.BIN / "pgbench",
        "-n",
        "-M",
        "prepared",
        "-c",
        "32",
        "-j",
        "2",
        "-T",
        str(seconds),
    ]
    argv += ["-f", SCRIPTS / f"{script}.sql", "-h", HOST, "-p", str(system.layout.ports.postgres_estoque)]
    env = {"PGPASSWORD": system.layout.secrets["postgres"], "PGSSLMODE": "disable"}
    output = commands.run(system.layout, [*argv, "-U", "postgres", DATABASE], env=env, seconds=seconds + 60.0)
    return parse(output)


def parse(output: str) -> float:
    """Transactions per second from pgbench's report. Raises GeneratorError if any failed or none completed."""
    tps = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", output, re.M)
    failures = re.search(r"^number of failed transactions: (\d+)", output, re.M)
    if tps is None or float(tps[1]) == 0 or (failures and failures[1] != "0"):
        raise GeneratorError(f"pgbench failed: {output.strip()}")
    return float(tps[1])


def _psql(system: System, database: str, script: str) -> None:
    postgres.psql(system.layout, database, system.layout.ports.postgres_estoque, script)
