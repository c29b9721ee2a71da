"""The files of a local system."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_system import Config, LocalSystemError, commands, postgres
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


def test_a_folder_with_several_names_holds_one_system(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    names = (tmp_path / "link", tmp_path / "folder", tmp_path / "other" / ".." / "folder")
    layouts = [Layout.open(Config(state=name)) for name in names]
    assert {layout.state for layout in layouts} == {tmp_path / "folder"}
    assert len({layout.sockets for layout in layouts}) == 1
    layouts[0].remove()
    assert Layout.open(Config(state=tmp_path / "link")).state == tmp_path / "folder", "the link still leads there"


@pytest.mark.parametrize("name", ["d'agua", 'the "shop"'])
def test_a_path_with_quotation_marks_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalSystemError, match=f"{name} cannot hold .* accept no quotation marks in a path"):
        Layout.open(Config(state=tmp_path / name))
    assert not (tmp_path / name).exists()


def test_only_its_owner_can_enter_a_new_folder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = Layout.open(Config(state=tmp_path / "state")).state
    finally:
        os.umask(before)
    assert state.stat().st_mode & 0o077 == 0


def test_the_folder_of_another_user_is_refused_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.getuid() + 12_345
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(
        LocalSystemError, match=rf"belongs to .*, not to the user {stranger}: run the command as its owner"
    ):
        Layout.open(Config(state=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for state in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            LocalSystemError, match=r"cannot hold a local system: .* choose another folder with LOCAL_DIR"
        ):
            Layout.open(Config(state=state))


def test_commands_that_open_a_new_folder_at_once_agree_on_its_credentials(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: Layout.open(Config(state=tmp_path / "new")), range(8)))
    assert len({layout.secrets["postgres"] for layout in opened}) == 1


@pytest.mark.parametrize("name", ["credentials.json", "ports.json"])
@pytest.mark.parametrize("content", ["", "[]", '{"gateway": '])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    Layout.open(Config(state=tmp_path))
    (tmp_path / name).write_text(content)
    with pytest.raises(LocalSystemError, match=rf"{name} is damaged: .*; restore it, or remove"):
        Layout.open(Config(state=tmp_path))


def test_programs_do_not_get_settings_that_are_meant_for_other_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGOPTIONS", "PGSERVICE", "DBMATE_STRICT", "KUBERC", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "elsewhere")
    code = "import os; print(*os.environ.values())"
    printed = commands.run(Layout.open(Config(state=tmp_path)), [sys.executable, "-c", code])
    assert "elsewhere" not in printed
    assert os.environ["PATH"] in printed


def test_the_lock_of_a_killed_server_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as server:
        lock.write_text(f"{server.pid}\n{tmp_path}\n")
        postgres.drop_stale_lock(tmp_path)
        assert lock.exists()
        server.kill()
        server.wait()
    for pid in (server.pid, os.getpid()):
        lock.write_text(f"{pid}\n{tmp_path}\n")
        postgres.drop_stale_lock(tmp_path)
        assert not lock.exists(), "this process serves no database"
    postgres.drop_stale_lock(tmp_path)
