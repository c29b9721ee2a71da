"""Requests that schemathesis generates from the OpenAPI documents, through the gateway, with all of its checks."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_system import System

CONFIG = Path(__file__).with_name("schemathesis.toml")
_TOKEN = """
[auth.openapi.bearer]
bearer = "{token}"
"""
_CASES = re.compile(r"^  (\d+) generated", re.M)


@dataclass(frozen=True)
class Report:
    """A run: the number of requests, whether all answers were correct, and the output of schemathesis."""

    cases: int
    passed: bool
    text: str


def run(
    system: System, service: str, *, examples: int, seed: int, token: str = "", options: Sequence[str] = ()
) -> Report:
    """Up to `examples` requests for each operation and kind of test, against the document that the system serves."""
    config = system.layout.state / "schemathesis.toml"
    config.write_text(CONFIG.read_text() + (_TOKEN.format(token=token) if token else ""))
    argv = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run"),
        *("--url", system.gateway_url, "--checks", "all", "--no-color"),
        *("--max-examples", str(examples), "--seed", str(seed)),
        # With a token it would also send a ticket, and both together are refused.
        *(("--generation-with-security-parameters", "false") if token else ()),
        *options,
        f"{system.gateway_url}/schema/{service}/openapi.json",
    ]
    paths = [str(CONFIG.parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        argv,
        cwd=system.layout.state,  # schemathesis leaves its cache there
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    cases = _CASES.search(done.stdout)
    return Report(int(cases[1]) if cases else 0, done.returncode == 0, done.stdout)
