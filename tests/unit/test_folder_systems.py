"""The system of a folder stops when a worker leaves the folder, and starts again when it comes back."""

import os
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "support"
CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def system():
    print("started {name}")
    yield
    print("stopped {name}")
"""
USES, DOES_NOT = "def test(system): print('used')", "def test(): print('not used')"


def test_a_folders_system_runs_from_its_first_test_to_its_last(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "conftest.py").write_text(CONFTEST.format(name=name))
        for number, body in enumerate((USES, DOES_NOT, USES), 1):
            (tmp_path / name / f"test_{name}{number}.py").write_text(body)
    tests = ["a/test_a1.py", "a/test_a2.py", "a/test_a3.py", "b/test_b1.py", "b/test_b3.py", "a/test_a1.py"]
    argv = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "folder_systems", "--keep-duplicates", *tests]
    env = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    said = [line.lstrip(".") for line in done.stdout.splitlines()]
    assert [line for line in said if line.endswith((" a", " b", "used"))] == [
        *("started a", "used", "not used", "used", "stopped a"),
        *("started b", "used", "used", "stopped b"),
        *("started a", "used", "stopped a"),
    ]
