"""The installer of the load generator, with stubs for the machine's programs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local_system.config import ROOT


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A home, and a bin folder with only the programs that every Unix has."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "id"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(machine: Path) -> subprocess.CompletedProcess[str]:
    argv = ["sh", str(ROOT / "bench" / "setup" / "wrk.sh")]
    environ = {"PATH": str(machine / "bin"), "HOME": str(machine)}
    return subprocess.run(argv, cwd=machine, env=environ, capture_output=True, text=True, check=False, timeout=30)


def test_installed_programs_are_left_alone(machine: Path) -> None:
    program(machine, "wrk", "exit 1")
    done = run(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_programs_are_installed_and_named(machine: Path) -> None:
    program(machine, "brew", "echo brew $*")
    done = run(machine)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("brew install wrk\n")


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ({}, "error: wrk is missing, and neither apt-get, dnf nor brew is here: install the package wrk"),
        ({"brew": "exit 1"}, "error: wrk is missing and brew could not install it"),
    ],
)
def test_programs_that_cannot_be_installed_are_named(machine: Path, programs: dict[str, str], sentence: str) -> None:
    for name, script in programs.items():
        program(machine, name, script)
    done = run(machine)
    assert done.returncode == 1
    assert sentence in done.stderr
