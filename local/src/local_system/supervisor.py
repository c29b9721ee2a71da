"""supervisord runs the processes: it restarts them when they die, and keeps and rotates their logs.

We write its configuration from the table of parts and control it through XML-RPC on a Unix socket.
"""

import hashlib
import os
import pwd
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from local_system.commands import inherited
from local_system.credentials import write_private
from local_system.errors import LocalSystemError
from local_system.layout import MARKER, PART, Layout
from local_system.parts import Part, stages

_NOT_RUNNING = frozenset({"STOPPED", "EXITED", "FATAL"})
_FAULT_ALREADY_STARTED, _FAULT_NOT_RUNNING, _FAULT_BAD_NAME = 60, 70, 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class State:
    """supervisord's view of a part: the name of its state, its pid (0: none), seconds since its start."""

    name: str
    pid: int
    uptime: int
    error: str

    @property
    def runs(self) -> bool:
        """Whether supervisord has it running or will restart it on its own."""
        return self.name not in _NOT_RUNNING


def configuration(layout: Layout, parts: Iterable[Part]) -> str:
    """supervisord.conf for these parts; none starts automatically, each is restarted when it dies."""
    parts = list(parts)
    sections = [_main_sections(layout)]
    for priority, names in enumerate(stages(parts)):
        sections += [_program_section(layout, part, priority) for part in parts if part.name in names]
    return "\n".join(sections)


def _main_sections(layout: Layout) -> str:
    user = f"user={pwd.getpwuid(0).pw_name}\n" if os.getuid() == 0 else ""
    socket = layout.sockets / "supervisor.sock"
    return f"""\
[supervisord]
{user}logfile={_escape(str(layout.log("supervisord")))}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={_escape(str(layout.state / "supervisord.pid"))}
umask=077
strip_ansi=true

[unix_http_server]
file={_escape(str(socket))}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _program_section(layout: Layout, part: Part, priority: int) -> str:
    environment = {PART: part.name, **part.env}
    if part.files:  # so that a part is restarted when a file that it reads at start-up has changed
        content = "\0".join(f"{path}\0{text}" for path, text in part.files.items())
        environment["RESERVAESTOQUE_LOCAL_FILES"] = hashlib.sha256(content.encode()).hexdigest()
    return f"""\
[program:{part.name}]
command={_escape(shlex.join(part.command()))}
directory={_escape(str(layout.state))}
environment={",".join(f'{name}="{_quote(value)}"' for name, value in environment.items())}
priority={priority}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopsignal={part.stop_signal}
stopwaitsecs={part.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(str(layout.log(part.name)))}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""


def _escape(text: str) -> str:
    """Escapes a value for supervisord.conf, where % expands and " ;" or " #" begins a comment."""
    if "\n" in text or " ;" in text or " #" in text:
        raise LocalSystemError(f"supervisord.conf cannot hold {text!r}")
    return text.replace("%", "%%")


def _quote(value: str) -> str:
    """supervisord knows no escapes within quotes, and strips quotes of either kind from both ends."""
    if '"' in value or value != value.strip("'"):
        raise LocalSystemError(f"supervisord.conf cannot hold the environment's value {value!r}")
    return _escape(value)


class Supervisor:
    """The supervisord of one local system."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._socket = layout.sockets / "supervisor.sock"
        self._file = layout.state / "supervisord.conf"

    def call(self, method: str, *args: object) -> Any:
        """One XML-RPC call on a separate connection, so that threads do not interfere.

        Raises LocalSystemError when supervisord does not run.
        """
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            return getattr(xmlrpc.client.ServerProxy("http://local", transport=transport), method)(*args)
        except OSError as error:
            raise LocalSystemError(f"nothing runs in {self._layout.state}; start it with `make up`") from error
        finally:
            transport.close()

    def running(self) -> bool:
        """Whether supervisord answers."""
        try:
            self.call("supervisor.getState")
        except (LocalSystemError, xmlrpc.client.Error):
            return False
        return True

    def apply(self, parts: Iterable[Part]) -> None:
        """Configures these parts: starts supervisord, or stops changed and removed parts and keeps the rest."""
        write_private(self._file, configuration(self._layout, parts))
        if not self.running():
            self._launch()
            return
        [[added, changed, removed]] = self.call("supervisor.reloadConfig")
        for name in [*changed, *removed]:
            self.stop([name])
            self.call("supervisor.removeProcessGroup", name)
        for name in [*added, *changed]:
            self.call("supervisor.addProcessGroup", name)

    def _launch(self) -> None:
        self._layout.make_sockets_folder()
        argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._file)]
        done = subprocess.run(
            argv,
            env={**inherited(), MARKER: str(self._layout.state)},
            cwd=self._layout.state,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalSystemError(f"supervisord does not start: {(done.stderr or done.stdout).strip()}")
        _wait_until(self.running, 15, f"supervisord does not answer; see {self._layout.log('supervisord')}")

    def states(self) -> dict[str, State]:
        """The states of all configured parts."""
        return {info["name"]: _state(info) for info in self.call("supervisor.getAllProcessInfo")}

    def state(self, name: str) -> State:
        """The state of one configured part; much cheaper than `states`."""
        return _state(self.call("supervisor.getProcessInfo", name))

    def start(self, name: str) -> None:
        """Starts a part that is not running. On return it runs, or supervisord keeps retrying it."""
        try:
            self.call("supervisor.startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != _FAULT_ALREADY_STARTED:
                raise LocalSystemError(f"{name} cannot be started: {fault.faultString}") from fault

    def stop(self, names: Iterable[str]) -> None:
        """Stops parts in parallel and waits until their processes have ended."""
        names = list(names)
        for name in names:
            try:
                self.call("supervisor.stopProcess", name, False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode not in (_FAULT_NOT_RUNNING, _FAULT_BAD_NAME):
                    raise LocalSystemError(f"{name} cannot be stopped: {fault.faultString}") from fault

        def stopped() -> bool:
            states = self.states()
            return not any(states[name].runs for name in names if name in states)

        _wait_until(stopped, 60, f"{', '.join(names)} did not stop")

    def kill(self, name: str) -> None:
        """Sends SIGKILL to the part's process; returns when supervisord has noticed, before the part is back."""
        pid = self.state(name).pid
        if not pid:
            raise LocalSystemError(f"{name} does not run")
        self.call("supervisor.signalProcess", name, "KILL")
        _wait_until(lambda: self.state(name).pid != pid, 10, f"{name} did not die")

    def stop_all(self) -> None:
        """Stops every part, dependents first, then supervisord itself."""
        table = {info["name"]: info["process_prio"] for info in self.call("supervisor.getAllConfigInfo")}
        for priority in sorted(set(table.values()), reverse=True):
            self.stop(name for name, own in table.items() if own == priority)
        process = psutil.Process(self.call("supervisor.getPID"))
        process.kill()  # nothing is left to stop, and an orderly shutdown takes two seconds
        _wait_until(lambda: not process.is_running(), 15, "supervisord did not stop")


def _state(info: dict[str, Any]) -> State:
    uptime = info["now"] - info["start"] if info["pid"] else 0
    return State(info["statename"], info["pid"], uptime, info["spawnerr"])


def _wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """supervisord checks on its children at each call, so frequent polling makes it react sooner."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LocalSystemError(otherwise)
        time.sleep(_POLL_SECONDS)
