"""The files of a local system."""

import subprocess
from pathlib import Path

import pytest

from local_system import Config
from local_system.layout import Layout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def untracked(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "status", "--porcelain"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_git_ignores_a_state_folder_wherever_it_is_and_clean_removes_it(checkout: Path) -> None:
    layout = Layout.open(Config(state=checkout / "elsewhere"))
    assert (layout.state / "credentials.json").exists()
    assert untracked(checkout) == ""
    layout.remove()
    assert not layout.state.exists()


def test_a_folder_that_was_there_before_keeps_its_own_rules(checkout: Path) -> None:
    (checkout / "mine").mkdir()
    (checkout / "mine" / "notes").write_text("notes")
    layout = Layout.open(Config(state=checkout / "mine"))
    assert "mine/" in untracked(checkout)
    layout.remove()
    assert [path.name for path in layout.state.iterdir()] == ["notes"]
