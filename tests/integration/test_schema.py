"""schema.sql is what all migrations make, and every migration can be undone."""

from pathlib import Path

import pytest
from copias import ROOT, SERVICOS, criar, dbmate

from local_system import System

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("service", SERVICOS)
def test_schema_file_equals_the_migrations(backing: System, service: str, tmp_path: Path):
    url = criar(backing, service, f"esquema_{service}")
    feito = tmp_path / "schema.sql"
    dbmate(url, service, "up", feito)
    guardado = (ROOT / "services" / service / "db/schema.sql").read_text()
    assert feito.read_text() == guardado, "run `make schema` and commit db/schema.sql"

    for _ in (ROOT / "services" / service / "db/migrations").iterdir():
        dbmate(url, service, "down", feito)
    assert "CREATE FUNCTION" not in feito.read_text()
    dbmate(url, service, "up", feito)
    assert feito.read_text() == guardado
