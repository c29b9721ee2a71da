"""Finds processes: leftovers of a local system, and the listener on a port."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from local_system.layout import MARKER, PART

_GRACE_SECONDS = 10


def leftovers(state: Path) -> list[psutil.Process]:
    """Processes of the system with this state folder, and their children; never this process or its ancestors."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if _environment(process).get(MARKER) == str(state):
            # PostgreSQL's children overwrite their environment with their title, so they are found as children.
            found |= {one.pid: one for one in (process, *_children(process))}
    return [process for pid, process in found.items() if pid not in spared]


def end_leftovers(state: Path) -> list[str]:
    """Stops them and waits until they have ended; returns their names."""
    found = leftovers(state)
    # Stop supervisord first, and for good: it would restart the others.
    for process in [process for process in found if "supervisor.supervisord" in _command(process)]:
        _signal(process, signal.SIGKILL)
    names = [f"{_name(process)} ({process.pid})" for process in found]
    for process in found:
        _signal(process, _stop_signal(_environment(process).get(PART, "")))
    _, stubborn = psutil.wait_procs(found, timeout=_GRACE_SECONDS if found else 0)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=_GRACE_SECONDS if stubborn else 0)
    return names


def listener(port: int) -> str:
    """The listener on a TCP port: `envoy (pid 123)`, or `another process` if it cannot be determined."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS requires root
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
        if listens and connection.pid:
            return f"{_name(psutil.Process(connection.pid))} (pid {connection.pid})"
    return "another process"


def _stop_signal(part: str) -> signal.Signals:
    if part.startswith("postgres-"):
        return signal.SIGINT
    return signal.SIGKILL if part == "kube-apiserver" else signal.SIGTERM


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil makes sure that the pid still belongs to this process
    except psutil.Error:
        return


def _children(process: psutil.Process) -> Iterator[psutil.Process]:
    try:
        yield from process.children(recursive=True)
    except psutil.Error:
        return


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "a process that has just ended"
