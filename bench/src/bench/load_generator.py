"""The load generator wrk, in a closed loop or at a constant rate."""

import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WRK_LUA = Path(__file__).with_name("wrk.lua")
PREFER = "wait=20"
_GRACE_SECONDS = 45


class GeneratorError(Exception):
    """wrk is missing or failed; the message is for people."""


@dataclass(frozen=True)
class Responses:
    """The report of wrk, with latencies in milliseconds from request to response.

    late: requests at a constant rate that were sent 10 ms or more behind schedule because no connection was free.
    """

    total: int
    failures: int
    late: int
    seconds: float
    p50: float
    p99: float
    maximum: float


def wrk_path() -> str:
    """The path of wrk. Raises GeneratorError, which says how to install it."""
    found = shutil.which("wrk")
    if found is None:
        raise GeneratorError("wrk is missing: `make bench` installs it (bench/setup/wrk.sh)")
    return found


def wrk(
    url: str, bodies: Path, *, connections: int, seconds: int, wait: bool = True, per_second: int = 0
) -> list[str]:
    """The command for `connections` customers: in a closed loop, or at `per_second` orders in all if not 0.

    The constant rate is independent of answers while one of the customers is free.
    """
    return [
        *(wrk_path(), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", "30s", "--script", str(WRK_LUA), url, "--"),
        *(str(bodies), PREFER if wait else "", str(per_second)),
    ]


def parse_wrk(output: str) -> Responses:
    """Parses the line that wrk.lua prints at the end. Raises GeneratorError when it is missing."""
    line = next((line for line in output.splitlines() if line.startswith("bench ")), None)
    if line is None:
        raise GeneratorError(f"wrk failed: {output.strip()[-500:]}")
    n = json.loads(line.removeprefix("bench "))
    return Responses(
        total=n["responses"],
        failures=n["http_errors"] + n["network_errors"] + n["timeouts"],
        late=n["late"],
        seconds=n["microseconds"] / 1e6,
        p50=n["p50"] / 1e3,
        p99=n["p99"] / 1e3,
        maximum=n["max"] / 1e3,
    )


class GeneratorProcess:
    """A running generator; killed on leaving the block."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._command = command
        self._seconds = seconds

    def __enter__(self) -> "GeneratorProcess":
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        )
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def stop_early(self) -> None:
        """Stops it early with SIGINT; it still prints its report."""
        self._process.send_signal(signal.SIGINT)

    def output(self) -> str:
        """Waits for it to exit and returns its output. Raises GeneratorError on failure or timeout."""
        try:
            output, _ = self._process.communicate(timeout=self._seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired as timeout:
            raise GeneratorError(f"{Path(self._command[0]).name} did not exit") from timeout
        if self._process.returncode:
            raise GeneratorError(f"{Path(self._command[0]).name} failed: {output.strip()[-500:]}")
        return output
