"""`make` on a fresh machine, with stand-ins for the machine's programs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local_system.config import ROOT

SETUP = ROOT / "local" / "setup"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """An empty checkout and two folders of programs: those that every Unix has, and the distribution's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "system").mkdir()
    for name in ("sh", "id", "rm", "echo", "env"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(machine: Path, script: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": str(machine / "bin"), "HOME": str(machine), "SYSTEM_BIN": str(machine / "system"), **env}
    argv = ["sh", str(SETUP / script), *args]
    return subprocess.run(argv, cwd=machine, env=environ, capture_output=True, text=True, check=False, timeout=30)


def test_an_installed_rabbitmq_is_left_alone(machine: Path) -> None:
    program(machine / ".venv" / "bin" / "python", "exit 0")
    done = run(machine, "rabbitmq.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_rabbitmq_is_installed(machine: Path) -> None:
    program(machine / ".venv" / "bin" / "python", f"[ -e {machine}/installed ]")
    program(machine / "bin" / "brew", f"echo brew $*; : > {machine}/installed")
    done = run(machine, "rabbitmq.sh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "brew install rabbitmq"


@pytest.mark.parametrize(
    ("manager", "why"),
    [("", "neither apt-get, dnf nor brew is here"), ("brew", "brew failed"), ("dnf", "dnf failed")],
)
def test_an_impossible_installation_says_what_to_install(machine: Path, manager: str, why: str) -> None:
    program(machine / ".venv" / "bin" / "python", "exit 1")
    program(machine / "bin" / "sudo", '"$@"')
    if manager:
        program(machine / "bin" / manager, "exit 1")
    done = run(machine, "rabbitmq.sh")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: RabbitMQ is missing and could not be installed ({why}): install the package"
    )


def test_a_missing_python_is_named(machine: Path) -> None:
    program(machine / "bin" / "python3", "exit 127")
    done = run(machine, "python.sh", "local")
    assert done.returncode == 1
    assert "error: Python 3.11 or later is missing (tried " in done.stderr
    assert f"{machine}/system/python3.11 python3.13 python3.12 python3.11 python3):" in done.stderr


def test_a_python_without_venv_names_the_package(machine: Path) -> None:
    script = 'case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.12 ;; esac'
    program(machine / "bin" / "python3.12", script)
    done = run(machine, "python.sh", "local")
    assert done.returncode == 1
    assert "install the package python3.12-venv" in done.stderr


PYTHON = """\
case "$2" in
    *ensurepip*) {venv} ;;
    *print*) echo 3.12 ;;
esac
[ "$2" != venv ] || {{ echo "$0 makes it"; exit 9; }}"""


def test_the_distributions_python_comes_first(machine: Path) -> None:
    program(machine / "bin" / "python3.13", PYTHON.format(venv="exit 0"))
    program(machine / "system" / "python3.12", PYTHON.format(venv="exit 0"))
    done = run(machine, "python.sh", "local")
    assert done.stdout.splitlines() == ["making .venv with Python 3.12", f"{machine}/system/python3.12 makes it"]


def test_packages_missing_from_the_distributions_python_are_installed(machine: Path) -> None:
    program(machine / "bin" / "python3.13", PYTHON.format(venv="exit 0"))
    program(machine / "system" / "python3.12", PYTHON.format(venv=f"[ -e {machine}/installed ]; exit $?"))
    program(machine / "bin" / "sudo", 'shift; "$@"')
    program(
        machine / "bin" / "apt-get", f'case "$*" in *" python3.12-venv") : > {machine}/installed ;; *) exit 1 ;; esac'
    )
    done = run(machine, "python.sh", "local")
    assert f"{machine}/system/python3.12 makes it" in done.stdout
    assert "installing the package python3.12-venv" in done.stdout


def test_another_python_is_used_where_nothing_can_be_installed(machine: Path) -> None:
    program(machine / "bin" / "python3.13", PYTHON.format(venv="exit 0"))
    program(machine / "system" / "python3.12", PYTHON.format(venv="exit 1"))
    program(machine / "bin" / "sudo", "exit 1")
    program(machine / "bin" / "apt-get", "exit 1")
    done = run(machine, "python.sh", "local")
    assert f"{machine}/bin/python3.13 makes it" in done.stdout


def test_the_pinned_requirements_name_no_url_or_path() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith(("#", "--hash="))]
        assert lines
        assert not [line for line in lines if "://" in line or " @ " in line or line.startswith("-")], file.name
        assert os.fspath(ROOT) not in file.read_text()


def test_without_npm_the_script_that_draws_diagrams_cannot_be_fetched(machine: Path) -> None:
    done = run(machine, "mermaid.sh")
    assert done.returncode == 1
    assert "npm is missing: install the package npm" in done.stderr


def test_a_script_with_another_checksum_is_refused(machine: Path) -> None:
    """A registry, or a proxy in front of it, that sends another file."""
    for name in ("mktemp", "mkdir", "mv", "sha256sum", "tar", "gzip", "printf"):
        (machine / "bin" / name).symlink_to(shutil.which(name) or "")
    (machine / "package/dist").mkdir(parents=True)
    (machine / "package/dist/mermaid.min.js").write_text("alert(1)")
    pack = "tar -czf $4/$(echo $5 | sed 's/@/-/').tgz -C {} package".replace("{}", str(machine))
    (machine / "bin" / "sed").symlink_to(shutil.which("sed") or "")
    program(machine / "bin" / "npm", pack)
    done = run(machine, "mermaid.sh", TMPDIR=str(machine))
    assert done.returncode == 1
    assert "does not have the expected checksum" in done.stderr
    assert not (machine / ".cache").exists()
