"""The switches of the local gateway, and the keys with which it signs tokens."""

import json
import stat
from pathlib import Path

import pytest

from local_system import Config, LocalSystemError
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
