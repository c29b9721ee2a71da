"""Finds and runs the programs that people use."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

WHERE_FROM = {
    "docker": "a container engine, https://docs.docker.com/engine/install/",
    "kind": "makes the cluster, https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "helm": "https://helm.sh/docs/intro/install/",
    "skaffold": "https://skaffold.dev/docs/install/",
}


class ToolError(Exception):
    """A program is missing or failed; the message is for a person."""


def require(names: Iterable[str]) -> None:
    """Raises ToolError, which names each missing program and where to get it."""
    lacking = [f"{name} is missing: install it ({WHERE_FROM[name]})" for name in names if shutil.which(name) is None]
    if lacking:
        raise ToolError("\n".join(lacking))


def run(*argv: str, stdin: str = "", seconds: float = 120, environment: Mapping[str, str] | None = None) -> str:
    """Returns its standard output. Raises ToolError with its output when it fails or takes too long."""
    command = " ".join(argv[:4])
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired as too_long:
        raise ToolError(f"{command} did not finish within {seconds:.0f} s") from too_long
    if done.returncode:
        raise ToolError(f"{command} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return done.stdout
