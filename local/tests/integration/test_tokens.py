"""A system whose calls need a token: `GATEWAY_JWT=on make up`, `make token`."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_system import Config, LocalSystemError, Ports, System
from local_system.config import parse_switch
from local_system.identity import Issuer

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def test_switches_are_on_or_off() -> None:
    assert [parse_switch("GATEWAY_JWT", {"GATEWAY_JWT": text}) for text in ("", "off", "on")] == [False, False, True]
    assert Config.from_environ({"GATEWAY_LIMITS": "on"}).limits
    with pytest.raises(LocalSystemError, match="GATEWAY_JWT=yes: write on or off"):
        Config.from_environ({"GATEWAY_JWT": "yes"})


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    first = Issuer.open(tmp_path / "jwt")
    again = Issuer.open(tmp_path / "jwt")
    assert first.key.private_numbers() == again.key.private_numbers()
    assert first.log_key == again.log_key
    assert stat.S_IMODE((tmp_path / "jwt").stat().st_mode) == FOLDER_MODE
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "jwt").iterdir()} == {FILE_MODE}
    (key,) = json.loads(first.jwks.read_text())["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}, "nothing private"


def run(state: Path, *words: str) -> str:
    env = {**os.environ, "LOCAL_DIR": str(state), "GATEWAY_JWT": "on", "GATEWAY_LIMITS": "on"}
    argv = [sys.executable, "-m", "local_system", *words]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    state = tmp_path_factory.mktemp("tokens")
    Ports.free().record(state / "ports.json")
    with System(Config(state=state, jwt=True, limits=True)) as system:
        yield system


@pytest.mark.integration
def test_the_first_order_has_a_token_and_other_calls_need_one(system: System) -> None:
    printed = run(system.layout.state, "up")
    assert "was answered 201" in printed
    assert "make -s token" in printed
    with httpx.Client(base_url=system.gateway_url, trust_env=False) as client:
        assert client.get("/pedidos?clienteId=cliente-1").status_code == httpx.codes.UNAUTHORIZED
        token = run(system.layout.state, "token", "cliente-1", "--scope", "estoque:ler", "--valid", "90s").strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.get("/pedidos?clienteId=cliente-1", headers=headers)
        assert answer.status_code == httpx.codes.OK
        assert [order["clienteId"] for order in answer.json()["itens"]] == ["cliente-1"]
        assert answer.headers["ratelimit"].startswith('"cliente";r=')
        assert client.get("/estoque", headers=headers).status_code == httpx.codes.OK
    for name in ("gateway", "pedidos-1", "estoque-1"):
        assert token not in system.log(name)
