"""The environment of a run, stored with its figures."""

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from bench.plan import Plan
from local_system import System
from local_system.config import ROOT

_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "commit_delay",
    "shared_buffers",
    "max_wal_size",
    "full_page_writes",
)


def describe(system: System, plan: Plan) -> dict[str, Any]:
    """Machine, versions, revision and settings, as JSON values."""
    git = ["git", "describe", "--always", "--dirty"]
    revision = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    postgres_settings = ", ".join(f"'{name}', current_setting('{name}')" for name in _SETTINGS)
    return {
        "revision": revision.stdout.strip(),
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "postgres": system.psql("estoque", "select version();").strip(),
        "postgres_settings": system.psql("estoque", f"select json_build_object({postgres_settings});").strip(),
        "configuration": {"replicas": dict(system.config.replicas), "settings": dict(system.config.settings)},
        "plan": asdict(plan),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
