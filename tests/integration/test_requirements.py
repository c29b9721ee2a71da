"""A program's image installs everything that the program imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "pedidos": ("services/pedidos/src", "pedidos.app"),
    "estoque": ("services/estoque/src", "estoque.app"),
    "operator": ("operator/src", "operador.app"),
    "conferir": ("conferir/src", "conferir.app"),
    "painel": ("painel/src", "painel.app"),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_imports_nothing_that_its_image_lacks(name: str, tmp_path: Path):
    source, module = PROGRAMS[name]
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "env" / "bin" / "python"
    pins = ROOT / "requirements" / f"{name}.txt"
    for argv in (
        (uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env"),
        (uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--require-hashes", "-r", pins),
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}/lib/src:{ROOT}/{source}"}
    imported = subprocess.run(
        [python, "-c", f"import {module}"], env=environ, capture_output=True, text=True, check=False
    )
    assert imported.returncode == 0, imported.stderr
