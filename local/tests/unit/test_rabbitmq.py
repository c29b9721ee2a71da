"""The plugins of the local broker."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local_system import Config, Ports, rabbitmq
from local_system.layout import Layout

INSTALLED = {
    "rabbit-3.10.8": "kernel, stdlib, rabbitmq_prelaunch, ranch",
    "rabbitmq_prelaunch-3.10.8": "kernel, rabbit_common",
    "rabbitmq_management-3.10.8": "rabbit,\n  cowboy, rabbitmq_management_agent",
    "rabbitmq_management_agent-3.10.8": "rabbit",
    "rabbitmq_prometheus-3.10.8": "rabbitmq_management_agent, prometheus",
    "rabbitmq_federation-3.10.8": "rabbit, amqp_client",
    "ranch-2.1.0": "kernel",
    "quantile_estimator-0.2.1": "kernel",  # prometheus uses it without naming it
}
USED = sorted(INSTALLED.keys() - {"rabbitmq_federation-3.10.8"})


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed RabbitMQ."""
    home = tmp_path / "installed"
    for folder, applications in INSTALLED.items():
        name = folder.partition("-")[0]
        resource = home / "plugins" / folder / "ebin" / f"{name}.app"
        resource.parent.mkdir(parents=True)
        resource.write_text(f"{{application,{name},[\n {{applications,[{applications}]}},\n {{env,[]}}]}}.\n")
    (home / "plugins" / "README").touch()
    (home / "sbin").mkdir()
    (home / "sbin" / "rabbitmq-server").touch()
    (tmp_path / "bin").symlink_to(home / "sbin")
    monkeypatch.setenv("RABBITMQ_SERVER", str(tmp_path / "bin" / "rabbitmq-server"))
    return home


def prepared(state: Path) -> tuple[list[str], str]:
    """The plugins in the broker's home, and the home that its scripts are told."""
    layout = Layout.open(Config(state=state, ports=Ports.free()))
    (broker,) = (part for part in rabbitmq.parts(layout) if part.name == "rabbitmq")
    (state / "rabbitmq").mkdir(exist_ok=True)
    broker.prepare()
    settings = broker.env["RABBITMQ_CONF_ENV_FILE"]
    script = '. "$0"; printf %s "$RABBITMQ_HOME"'
    home = subprocess.run(["sh", "-c", script, settings], check=True, capture_output=True, text=True).stdout
    return sorted(path.name for path in (state / "rabbitmq" / "home").glob("plugins/*") if path.exists()), home


@pytest.mark.parametrize("name", ["state", "my state", "joão", "$HOME"])
def test_the_broker_has_the_libraries_and_the_plugins_it_uses(installed: Path, tmp_path: Path, name: str) -> None:
    state = tmp_path / name
    assert prepared(state) == (USED, str(state / "rabbitmq" / "home"))


def test_another_version_of_rabbitmq_replaces_the_plugins(installed: Path, tmp_path: Path) -> None:
    prepared(tmp_path / "state")
    plugins = installed / "plugins"
    (plugins / "ranch-2.1.0").rename(plugins / "ranch-2.2.0")
    found, _ = prepared(tmp_path / "state")
    assert "ranch-2.2.0" in found
    assert "ranch-2.1.0" not in found


def test_plugins_that_are_archives_are_used_where_they_are(installed: Path, tmp_path: Path) -> None:
    prepared(tmp_path / "state")
    plugins = installed / "plugins"
    shutil.rmtree(plugins / "rabbitmq_prometheus-3.10.8")
    (plugins / "rabbitmq_prometheus-3.10.8.ez").touch()
    assert prepared(tmp_path / "state") == ([], "")


def test_a_path_with_a_colon_would_be_two_folders_for_erlang(installed: Path, tmp_path: Path) -> None:
    assert prepared(tmp_path / "a:b") == ([], "")
