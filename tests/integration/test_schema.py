"""schema.sql is what all migrations make, and every migration can be undone."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from local_system import System
from local_system.postgres import BIN

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"


def dbmate(url: str, service: str, schema: Path, *args: str) -> None:
    subprocess.run(
        [DBMATE, "--migrations-dir", ROOT / "services" / service / "db/migrations", "--schema-file", schema, *args],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("service", ["estoque", "pedidos"])
def test_schema_file_equals_the_migrations(backing: System, service: str, tmp_path: Path):
    base = f"esquema_{service}"
    backing.psql(service, f"create database {base} owner {service};")
    url = backing.database_url(service).replace(f"/{service}?", f"/{base}?")
    feito = tmp_path / "schema.sql"
    dbmate(url, service, feito, "up")
    guardado = (ROOT / "services" / service / "db/schema.sql").read_text()
    assert feito.read_text() == guardado, f"run the migrations of {service} and commit db/schema.sql"

    for _ in (ROOT / "services" / service / "db/migrations").iterdir():
        dbmate(url, service, feito, "down")
    assert "CREATE FUNCTION" not in feito.read_text()
    dbmate(url, service, feito, "up")
    assert feito.read_text() == guardado
