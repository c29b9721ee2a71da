"""Runs a helper program (initdb, psql, dbmate, kubectl) to its end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_system.errors import LocalSystemError
from local_system.layout import MARKER, Layout

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""The variables of the user's shell that programs of the system get. Others, such as PGOPTIONS or HTTPS_PROXY, are
meant for other servers."""


def inherited() -> dict[str, str]:
    """The environment that programs of the system get from the user's shell."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def run(
    layout: Layout,
    argv: Sequence[str | Path],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> str:
    """Returns its standard output. Raises LocalSystemError with its output when it fails or takes too long.

    The program carries the system's marker, so that `down` finds it if this process is killed meanwhile.
    """
    program = Path(argv[0]).name
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**inherited(), MARKER: str(layout.state), **(env or {})},
            cwd=layout.state,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalSystemError(f"{program} did not finish within {seconds:.0f} s") from error
    except OSError as error:
        raise LocalSystemError(f"{argv[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise LocalSystemError(f"{program} failed ({done.returncode}):\n{(done.stderr or done.stdout).strip()}")
    return done.stdout
