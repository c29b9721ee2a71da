import socket
from dataclasses import asdict
from pathlib import Path
from unittest.mock import Mock

import pytest

from local_system import Config, System
from local_system.errors import LocalSystemError
from local_system.ports import MAX_REPLICAS, Ports, is_free, variable
from local_system.processes import listener

REPLICATED = ("pedidos", "pedidos_metrics", "estoque", "estoque_metrics")


def test_the_environment_wins_over_what_was_recorded_and_that_over_the_table(tmp_path: Path) -> None:
    recorded = tmp_path / "ports.json"
    Ports(gateway=9001, etcd=9002).record(recorded)
    ports = Ports.read(recorded, {"GATEWAY_PORT": "9003"})
    assert (ports.gateway, ports.etcd, ports.epmd) == (9003, 9002, Ports().epmd)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80 80", "8.0"])
def test_an_invalid_port_is_refused_with_its_variable(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalSystemError, match=r"GATEWAY_PORT=.*from 1 to 65535"):
        Ports.read(tmp_path / "none", {"GATEWAY_PORT": text})


def test_free_ports_are_distinct_free_and_leave_room_for_replicas() -> None:
    ports = asdict(Ports.free())
    taken = [port for name, port in ports.items() if name not in REPLICATED]
    for program in REPLICATED:
        taken += range(ports[program], ports[program] + MAX_REPLICAS)
    assert len(set(taken)) == len(taken)
    assert all(is_free(port) for port in taken)


def test_the_default_table_leaves_room_for_replicas_too() -> None:
    ports = asdict(Ports())
    taken = [port for name, port in ports.items() if name not in REPLICATED]
    for program in REPLICATED:
        taken += range(ports[program], ports[program] + MAX_REPLICAS)
    assert len(set(taken)) == len(taken)


def test_a_listening_port_is_not_free_and_its_process_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert "pid" in listener(port)
    assert is_free(port)


def test_variables_are_named_after_the_ports() -> None:
    assert variable("postgres_pedidos") == "POSTGRES_PEDIDOS_PORT"


def test_free_ports_come_from_the_range_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two test workers with ranges of their own never take each other's ports."""
    ends: dict[str, set[int]] = {}
    for text in ("10000-11999", "12000-13999"):
        monkeypatch.setenv("FREE_PORTS", text)
        ports = Ports.free()
        ends[text] = {ports.gateway, ports.estoque_metrics + MAX_REPLICAS - 1}
    assert 10_000 <= min(ends["10000-11999"]) < max(ends["10000-11999"]) <= 11_999
    assert 12_000 <= min(ends["12000-13999"]) < max(ends["12000-13999"]) <= 13_999


@pytest.mark.parametrize("text", ["10000", "10000-", "a-b", "20000-10000", "10000-10050", "65000-70000"])
def test_an_invalid_port_range_is_refused_with_its_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FREE_PORTS", text)
    with pytest.raises(LocalSystemError, match=r"FREE_PORTS=.*: write two ports"):
        Ports.free()


def test_two_parts_cannot_have_one_port(tmp_path: Path) -> None:
    system = System(Config(state=tmp_path, ports=Ports(gateway=21432)))
    with pytest.raises(
        LocalSystemError, match=r"postgres-pedidos \(.*\) and gateway \(GATEWAY_PORT\) cannot both have port 21432"
    ):
        system.up()
    assert not (tmp_path / "ports.json").exists(), "the next start has not been spoiled"


def test_replicas_need_ports_too(tmp_path: Path) -> None:
    system = System(Config(state=tmp_path, ports=Ports(pedidos=65_530), replicas={"pedidos": 20}))
    with pytest.raises(
        LocalSystemError, match=r"pedidos-7 \(PEDIDOS_PORT\) would need port 65536: the highest one is 65535"
    ):
        system.up()


def test_ports_recorded_by_another_version_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"gateway": 9001, "discovery": 9002}')
    assert Ports.read(tmp_path / "ports.json", {}) == Ports(gateway=9001)


def test_a_port_that_only_root_may_use_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "bind", Mock(side_effect=PermissionError))
    with pytest.raises(LocalSystemError, match="port 80 is reserved for root: choose one from 1024 to 65535"):
        is_free(80)
