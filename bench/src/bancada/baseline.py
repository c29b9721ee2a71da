"""The yardstick: bench/baseline, one order a transaction, by pgbench on estoque's PostgreSQL server."""

import re
from pathlib import Path

from bancada.gerador import GeradorError
from local_system import System, commands, postgres
from local_system.config import ROOT
from local_system.ports import HOST

ARQUIVOS = ROOT / "bench" / "baseline"
BANCO = "bancada"
_INICIAL = 1_000_000_000


def preparar(system: System) -> None:
    """Makes its database anew: no orders, all SKUs full."""
    missing = f"where not exists (select from pg_database where datname = '{BANCO}')"
    _psql(system, "postgres", f"select 'create database {BANCO}' {missing} \\gexec")
    _psql(system, BANCO, f"\\set estoque_inicial {_INICIAL}\n{(ARQUIVOS / 'schema.sql').read_text()}\ncheckpoint;")


def medir(system: System, script: str, segundos: int) -> float:
    """Orders a second of `uniforme_3`, `quente_3`, …: 32 clients for so long."""
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
        str(segundos),
    ]
    argv += ["-f", ARQUIVOS / f"{script}.sql", "-h", HOST, "-p", str(system.layout.ports.postgres_estoque)]
    env = {"PGPASSWORD": system.layout.secrets["postgres"], "PGSSLMODE": "disable"}
    saida = commands.run(system.layout, [*argv, "-U", "postgres", BANCO], env=env, seconds=segundos + 60.0)
    return ler(saida)


def ler(saida: str) -> float:
    """Transactions a second out of pgbench's report. Raises GeradorError when some failed or none was made."""
    tps = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", saida, re.M)
    falhas = re.search(r"^number of failed transactions: (\d+)", saida, re.M)
    if tps is None or float(tps[1]) == 0 or (falhas and falhas[1] != "0"):
        raise GeradorError(f"pgbench failed: {saida.strip()}")
    return float(tps[1])


def _psql(system: System, banco: str, script: str) -> None:
    postgres.psql(system.layout, banco, system.layout.ports.postgres_estoque, script)
