"""The entry point of development images: runs the program, and restarts it whenever one of its files changes.

uvicorn's own reloader watches and restarts, so a program stops as it does on SIGTERM.
"""

import runpy
import sys
from pathlib import Path
from socket import socket

import uvicorn
from uvicorn.supervisors import ChangeReload

PACKAGES = Path("/app/packages")
OURS = ("reservaestoque", "pedidos", "estoque", "conferir", "painel")
MODULE = Path("/app/bin/program").read_text().split()[-2]  # exec python -m MODULE "$@"


def run(sockets: list[socket]) -> None:
    """Runs the program in a process of the reloader; the programs open their own ports."""
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    folders = [str(PACKAGES / name) for name in OURS if (PACKAGES / name).is_dir()]
    config = uvicorn.Config("", reload=True, reload_dirs=folders, log_config=None)
    sys.exit(ChangeReload(config, target=run, sockets=[]).run())
