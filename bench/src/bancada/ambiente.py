"""What the figures depend on, kept beside them."""

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from bancada.plano import Plano
from local_system import System
from local_system.config import ROOT

_AJUSTES = ("fsync", "synchronous_commit", "commit_delay", "shared_buffers", "max_wal_size", "full_page_writes")


def descrever(system: System, plano: Plano) -> dict[str, Any]:
    """Machine, versions, revision and settings."""
    git = ["git", "describe", "--always", "--dirty"]
    revisao = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    ajustes = ", ".join(f"'{nome}', current_setting('{nome}')" for nome in _AJUSTES)
    return {
        "revisao": revisao.stdout.strip(),
        "maquina": platform.platform(),
        "processador": _processador(),
        "nucleos": os.cpu_count(),
        "memoria": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "postgres": system.psql("estoque", "select version();").strip(),
        "ajustes_do_postgres": system.psql("estoque", f"select json_build_object({ajustes});").strip(),
        "configuracao": {"replicas": dict(system.config.replicas), "settings": dict(system.config.settings)},
        "plano": asdict(plano),
    }


def _processador() -> str:
    try:
        linhas = Path("/proc/cpuinfo").read_text().splitlines()
        return next(linha.partition(":")[2].strip() for linha in linhas if linha.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
