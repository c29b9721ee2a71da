"""Additional databases on a running system's servers, with its migrations; and `make schema`, which dumps them."""

import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from local_system import Config, Ports, System
from local_system.postgres import BIN
from reservaestoque.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"
SERVICES = ("estoque", "pedidos")


def address(system: System, service: str, name: str, role: str | None = None) -> str:
    """The address of an additional database on a service's server, as its owner unless `role` says otherwise."""
    return system.database_url(service, role).replace(f"/{service}?", f"/{name}?")


def by_socket(system: System, url: str) -> str:
    """The same database through its server's Unix socket, which takes less CPU per statement than TCP."""
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    query = f"{parts.query}&host={system.layout.sockets}&port={parts.port}"
    return parts._replace(netloc=f"{login}@", query=query).geturl()


def create(system: System, service: str, name: str) -> str:
    """Creates an empty database, replacing any of that name; returns its address."""
    system.psql(service, f"drop database if exists {name} with (force);")
    system.psql(service, f"create database {name} owner {service};")
    return address(system, service, name)


def dbmate(url: str, service: str, command: str, schema: Path | None = None) -> None:
    """Runs dbmate with a service's migrations; writes the resulting schema to `schema`."""
    file = [f"--schema-file={schema}"] if schema else ["--no-dump-schema"]
    subprocess.run(
        [DBMATE, "--migrations-dir", ROOT / "services" / service / "db/migrations", *file, command],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )


def create_migrated(system: System, service: str, name: str) -> str:
    """Creates a database with all migrations of a service; returns its address."""
    url = create(system, service, name)
    migrate(url, ROOT / "services" / service / "db/migrations")
    return url


def dump(url: str) -> str:
    """The schema of a database with its comments, owners and privileges."""
    argv = [Path(BIN) / "pg_dump", "--schema-only", "--restrict-key=schema", url]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def write_schemas() -> None:
    """Writes `services/*/db/schema.sql`."""
    parts = {f"postgres-{service}" for service in SERVICES}
    with (
        tempfile.TemporaryDirectory() as state,
        System(Config(state=Path(state), ports=Ports.free(), parts=parts)) as system,
    ):
        for service in SERVICES:
            url = create(system, service, f"schema_{service}")
            dbmate(url, service, "up", ROOT / "services" / service / "db/schema.sql")


if __name__ == "__main__":
    write_schemas()
