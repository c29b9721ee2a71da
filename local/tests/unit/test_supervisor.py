"""The configuration we write is read back by supervisord's own parser."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from local_system.config import Config
from local_system.errors import LocalSystemError
from local_system.layout import Layout
from local_system.parts import Part
from local_system.supervisor import configuration


def programs(layout: Layout, *parts: Part) -> dict[str, Any]:
    file = layout.state / "supervisord.conf"
    file.write_text(configuration(layout, parts))
    options = ServerOptions()
    options.realize(["-c", str(file)])
    return {config.name: config for group in options.process_group_configs for config in group.process_configs}


def test_arguments_and_environment_arrive_as_they_are(tmp_path: Path) -> None:
    layout = Layout.open(Config(state=tmp_path))
    value, argument = "a b\\d'e%f,g=h;i", 'a "b" $c %(here)s'
    part = Part(name="x", command=lambda: ["/bin/echo", value, argument], ready=lambda: None, env={"ODD": value})
    config = programs(layout, part)["x"]
    assert shlex.split(config.command) == ["/bin/echo", value, argument]
    assert config.environment["ODD"] == value


@pytest.mark.parametrize("value", ['a"b', "'quoted'", "a\nb", "a ;b", "a #b"])
def test_an_environment_which_supervisord_would_change_is_refused(tmp_path: Path, value: str) -> None:
    layout = Layout.open(Config(state=tmp_path))
    part = Part(name="x", command=lambda: ["x"], ready=lambda: None, env={"ODD": value})
    with pytest.raises(LocalSystemError, match="cannot hold"):
        configuration(layout, [part])


def test_values_that_supervisord_would_read_as_comments_are_refused(tmp_path: Path) -> None:
    layout = Layout.open(Config(state=tmp_path))
    part = Part(name="x", command=lambda: ["/bin/echo", "a ;b"], ready=lambda: None)
    with pytest.raises(LocalSystemError, match="cannot hold"):
        configuration(layout, [part])


def test_a_changed_file_changes_the_part(tmp_path: Path) -> None:
    layout = Layout.open(Config(state=tmp_path))

    def with_file(text: str) -> str:
        part = Part(name="x", command=lambda: ["x"], ready=lambda: None, files={tmp_path / "f": text})
        return configuration(layout, [part])

    assert with_file("one") == with_file("one")
    assert with_file("one") != with_file("two")


def test_dependencies_start_first(tmp_path: Path) -> None:
    layout = Layout.open(Config(state=tmp_path))
    db = Part(name="db", command=lambda: ["db"], ready=lambda: None)
    web = Part(name="web", command=lambda: ["web"], ready=lambda: None, needs=("db",))
    found = programs(layout, db, web)
    assert found["db"].priority < found["web"].priority


def test_secrets_are_for_the_owner_only(tmp_path: Path) -> None:
    layout = Layout.open(Config(state=tmp_path))
    assert (tmp_path / "credentials.json").stat().st_mode & 0o077 == 0
    assert Layout.open(Config(state=tmp_path)).secrets == layout.secrets
    assert len(set(layout.secrets.values())) == len(layout.secrets)
