"""The command line of the local system, as far as it needs no system that runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_system import cli


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("lifetime", ["90s", "15m", "8h", "60"])
def test_a_token_has_a_lifetime(capsys: pytest.CaptureFixture[str], lifetime: str) -> None:
    assert cli.main(["token", "ana", "--valid", lifetime]) == 0
    assert capsys.readouterr().out.count(".") == 2


@pytest.mark.parametrize("lifetime", ["0", "-1h", "1x", "h", "99999999999999h", ""])
def test_another_lifetime_is_refused(capsys: pytest.CaptureFixture[str], lifetime: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["token", "ana", f"--valid={lifetime}"])
    assert f"{lifetime!r} is not a lifetime: write 90s, 15m or 8h" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["conferir", "dlq"])
def test_a_command_that_needs_a_running_system_says_so(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert cli.main([command]) == 1
    assert "start it with `make up`" in capsys.readouterr().err


def test_a_reader_that_has_gone_away_ends_the_command_without_a_traceback() -> None:
    program = [sys.executable, "-m", "local_system", "token", "ana"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as stdout:
        done = subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_failure_of_the_operating_system_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/data/file")

    monkeypatch.setattr("local_system.system.System.down", full)
    assert cli.main(["down"]) == 1
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device: '/data/file'\n"


def test_a_hangup_stops_a_command_unless_nohup_runs_it() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt), cli.termination_as_interruption():
            signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with cli.termination_as_interruption():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
