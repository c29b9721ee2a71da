"""Further databases beside those of a running system, migrated as it is; and `make schema`, which reads them off."""

import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from local_system import Config, Ports, System
from local_system.postgres import BIN
from reservaestoque.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"
SERVICOS = ("estoque", "pedidos")


def endereco(system: System, servico: str, nome: str, papel: str | None = None) -> str:
    """The address of a further database on the server of a service, as its owner unless `papel` says otherwise."""
    return system.database_url(servico, papel).replace(f"/{servico}?", f"/{nome}?")


def criar(system: System, servico: str, nome: str) -> str:
    """A new database, empty, in place of any of that name; its address."""
    system.psql(servico, f"drop database if exists {nome} with (force);")
    system.psql(servico, f"create database {nome} owner {servico};")
    return endereco(system, servico, nome)


def dbmate(url: str, servico: str, comando: str, schema: Path | None = None) -> None:
    """Runs dbmate with the migrations of a service; writes the schema that comes of it into `schema`."""
    arquivo = [f"--schema-file={schema}"] if schema else ["--no-dump-schema"]
    subprocess.run(
        [DBMATE, "--migrations-dir", ROOT / "services" / servico / "db/migrations", *arquivo, comando],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )


def criar_migrado(system: System, servico: str, nome: str) -> str:
    """A new database with all migrations of a service; its address."""
    url = criar(system, servico, nome)
    migrate(url, ROOT / "services" / servico / "db/migrations")
    return url


def dump(url: str) -> str:
    """The schema of a database with its comments, owners and privileges."""
    argv = [Path(BIN) / "pg_dump", "--schema-only", "--restrict-key=schema", url]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def escrever_esquemas() -> None:
    """Writes `services/*/db/schema.sql`."""
    parts = {f"postgres-{servico}" for servico in SERVICOS}
    with (
        tempfile.TemporaryDirectory() as state,
        System(Config(state=Path(state), ports=Ports.free(), parts=parts)) as system,
    ):
        for servico in SERVICOS:
            url = criar(system, servico, f"esquema_{servico}")
            dbmate(url, servico, "up", ROOT / "services" / servico / "db/schema.sql")


if __name__ == "__main__":
    escrever_esquemas()
