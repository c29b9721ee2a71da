"""`make` on a fresh machine, with stand-ins for the machine's programs."""

import os
import shutil
import subprocess
import sys
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
    program(machine / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    program(machine / "bin" / "brew", f"echo brew $*; : > {machine}/installed")
    done = run(machine, "rabbitmq.sh", RABBITMQ_SERVER=f"{machine}/installed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "brew install rabbitmq"
    assert not done.stderr


def test_a_failure_to_look_for_rabbitmq_is_shown_and_installs_nothing(machine: Path) -> None:
    program(machine / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    program(machine / "bin" / "brew", "echo brew $*")
    (machine / "httpx.py").write_text('raise ImportError("this module shadows httpx")')
    done = run(machine, "rabbitmq.sh", PYTHONPATH=str(machine))
    assert (done.returncode, done.stdout) == (1, "")
    assert "ImportError: this module shadows httpx\nerror: cannot tell whether RabbitMQ is installed" in done.stderr


def test_a_missing_interpreter_installs_no_rabbitmq(machine: Path) -> None:
    program(machine / "bin" / "brew", "echo brew $*")
    done = run(machine, "rabbitmq.sh")
    assert (done.returncode, done.stdout) == (127, "")


@pytest.mark.parametrize(
    ("manager", "why"),
    [("", "neither apt-get, dnf nor brew is here"), ("brew", "brew failed"), ("dnf", "dnf failed")],
)
def test_an_impossible_installation_says_what_to_install(machine: Path, manager: str, why: str) -> None:
    program(machine / ".venv" / "bin" / "python", "exit 3")
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


def test_an_environment_made_here_is_kept_and_records_the_resolved_folder(machine: Path) -> None:
    program(machine / ".venv" / "bin" / "python", "exit 0")
    link = machine / "link to the checkout"
    link.symlink_to(machine)
    for _ in range(2):
        done = run(link, "python.sh", PATH=f"{machine}/bin", PWD=str(link))
        assert (done.returncode, done.stdout) == (0, "installing the pinned requirements into .venv\n"), done.stderr
        assert (machine / ".venv" / "ready").read_text() == f"{machine.resolve()}\n"


@pytest.mark.parametrize(
    ("record", "where"), [("/another (checkout)\n", "/another (checkout)"), ("", "a folder that it does not name")]
)
def test_an_environment_made_elsewhere_is_replaced(machine: Path, record: str, where: str) -> None:
    program(machine / ".venv" / "bin" / "python", "exit 0")
    program(machine / "system" / "python3.12", PYTHON.format(venv="exit 0"))
    (machine / ".venv" / "ready").write_text(record)
    done = run(machine, "python.sh", "local")
    assert done.stdout.splitlines() == [
        f"removing .venv, which was made in {where} and not in {machine.resolve()}",
        "making .venv with Python 3.12",
        f"{machine}/system/python3.12 makes it",
    ]
    assert not (machine / ".venv").exists()


def test_settings_of_pip_say_where_packages_come_from_and_not_where_they_go(machine: Path) -> None:
    script = f'case "$*" in "-m pip install "*) exec {sys.executable} -m pip config list ;; esac'
    program(machine / ".venv" / "bin" / "python", script)
    places = {f"PIP_{name}": f"{machine}/elsewhere" for name in ("TARGET", "PREFIX", "ROOT", "PYTHON")}
    (machine / "pip.conf").write_text("[global]\nindex-url = https://packages.example/simple\n")
    sources = {"PIP_FIND_LINKS": f"{machine}/wheels", "PIP_CONFIG_FILE": f"{machine}/pip.conf"}
    done = run(machine, "python.sh", "local", PIP_USER="1", **places, **sources)
    assert done.returncode == 0, done.stderr
    seen = {line.partition("=")[0] for line in done.stdout.splitlines()[1:]}
    assert {":env:.find-links", ":env:.config-file", "global.index-url"} <= seen
    assert not seen & {f":env:.{name}" for name in ("target", "prefix", "root", "user", "python")}


def checkout(folder: Path) -> Path:
    """A checkout whose environment prints the arguments that it is called with, one a line."""
    for name in ("lib/pyproject.toml", "requirements/dev.txt", "local/setup/python.sh", ".venv/bin/python"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    shutil.copy(ROOT / "Makefile", folder)
    program(folder / "local/setup/python.sh", "echo sets up .venv; pwd -P > .venv/ready")
    program(folder / ".venv/bin/python", "printf '%s\\n' \"$@\"")
    (folder / ".venv/ready").write_text(f"{folder.resolve()}\n")
    return folder


def make(folder: Path, *args: str, **env: str) -> list[str]:
    environ = {"PATH": os.environ["PATH"], **env}
    argv = ["make", "--no-print-directory", "-C", str(folder), *args]
    return subprocess.run(
        argv, env=environ, capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()


def test_make_sets_up_a_checkout_once(tmp_path: Path) -> None:
    original = checkout(tmp_path / "it's a (real) checkout")
    link = tmp_path / "link"
    link.symlink_to(original)
    assert make(original, "status") == make(link, "status") == ["-m", "local_system", "status"]


def test_make_sets_up_a_copied_or_moved_checkout_again(tmp_path: Path) -> None:
    original = checkout(tmp_path / "checkout")
    copy = tmp_path / "checkout (copy)"
    shutil.copytree(original, copy)
    assert make(copy, "status") == ["sets up .venv", "-m", "local_system", "status"]
    assert make(copy, "status") == ["-m", "local_system", "status"]
    original.rename(tmp_path / "moved")
    assert make(tmp_path / "moved", ".venv/ready") == ["sets up .venv"]


def test_make_sets_up_a_checkout_that_records_no_folder(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    (folder / ".venv/ready").write_text("")
    assert make(folder, ".venv/ready") == ["sets up .venv"]


@pytest.mark.parametrize("value", ['a"b', "a'b; exit 1", "a`b`", "two words", r"back\slash", "#(*"])
def test_values_for_a_token_reach_the_program_unchanged(tmp_path: Path, value: str) -> None:
    folder = checkout(tmp_path)
    expected = ["-m", "local_system", "token", f"--scope={value}", f"--valid={value}", "--", value]
    assert make(folder, "token", f"CLIENTE={value}", f"SCOPE={value}", f"VALID={value}") == expected
    assert make(folder, "token", CLIENTE=value, SCOPE=value, VALID=value) == expected


def test_a_token_is_by_default_for_the_first_customer_and_an_hour(tmp_path: Path) -> None:
    expected = ["-m", "local_system", "token", "--scope=", "--valid=1h", "--", "cliente-1"]
    assert make(checkout(tmp_path), "token") == make(tmp_path, "token", "CLIENTE=", "VALID=") == expected


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
