"""The entry point of development images: runs the program, and anew whenever one of its files has changed.

uvicorn's own reloader does the watching and the restarting, so a program stops as it does on SIGTERM.
"""

import runpy
import sys
from pathlib import Path
from socket import socket

import uvicorn
from uvicorn.supervisors import ChangeReload

PACKAGES = Path(uvicorn.__file__).parents[1]
OURS = ("reservaestoque", "pedidos", "estoque", "conferir")


def run(_: list[socket]) -> None:
    """Runs in a process of its own; the script `programa` says which module is the program."""
    module = Path("/app/bin/programa").read_text().split()[-2]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    folders = [str(PACKAGES / name) for name in OURS if (PACKAGES / name).is_dir()]
    config = uvicorn.Config("", reload=True, reload_dirs=folders, log_config=None)
    sys.exit(ChangeReload(config, target=run, sockets=[]).run())
