"""The local system as a whole, which `make up` and the integration tests start and stop."""

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from local_system import (
    commands,
    gateway,
    kube_binaries,
    kubernetes,
    parts,
    postgres,
    processes,
    programs,
    prometheus,
    rabbitmq,
    starting,
)
from local_system.config import Config
from local_system.credentials import write_private
from local_system.errors import LocalSystemError
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HIGHEST, is_free, variable
from local_system.supervisor import State, Supervisor


def _silent(_: str) -> None:
    return None


def _write_files(part: Part) -> None:
    for path, text in part.files.items():
        path.parent.mkdir(exist_ok=True)
        write_private(path, text)


class System:
    """One local system. As a context manager, it is up inside the block and down afterwards.

    Every method that acts raises LocalSystemError with a sentence for a person when it fails.
    """

    def __init__(self, config: Config, report: Callable[[str], None] = _silent) -> None:
        """Creates the state folder with its credentials; starts nothing. `report` receives one line per step."""
        self.config = config
        self.layout = Layout.open(config)
        self._report = report
        self._supervisor = Supervisor(self.layout)
        self._binaries = cache(lambda: kube_binaries.find_or_get(report))
        self._parts = {part.name: part for part in parts.select(self._table(), config.parts)}

    def _table(self) -> list[Part]:
        return [
            postgres.part(self.layout, "pedidos"),
            postgres.part(self.layout, "estoque"),
            *rabbitmq.parts(self.layout),
            *kubernetes.parts(self.layout, self._binaries),
            *programs.parts(self.layout, self.config),
            gateway.part(self.layout, self.config),
            *(prometheus.parts(self.layout, self.config) if self.config.observe else []),
        ]

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # Addresses

    @property
    def gateway_url(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return self.layout.gateway_url

    @property
    def amqp_url(self) -> str:
        """The broker, with its administrator, password and virtual host."""
        return self.layout.amqp_url

    def service_env(self, service: str) -> dict[str, str]:
        """DATABASE_URL and AMQP_URL of `pedidos` or `estoque`, with the service's own privileges."""
        return self.layout.service_env(service)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def rabbitmq_management_url(self) -> str:
        """The broker's HTTP API and its pages, with user and password."""
        return f"http://reserva:{self.layout.secrets['rabbitmq']}@127.0.0.1:{self.layout.ports.rabbitmq_management}"

    def database_url(self, database: str, role: str | None = None) -> str:
        """`pedidos` or `estoque`, as its owner unless `role` says otherwise (postgres.GUESTS)."""
        return self.layout.database_url(database, role)

    def program_url(self, name: str) -> str:
        """The address of a program's API, past the gateway: `pedidos-1`, `estoque-2`, `painel`."""
        env = self._part(name).env
        return f"http://{env['HOST']}:{env['PORT']}"

    def metrics_url(self, name: str) -> str:
        """The address of a program's health and metrics: `pedidos-1`, `estoque-2`, `operator`, `conferir`, …"""
        env = self._part(name).env
        return f"http://{env['HOST']}:{env['METRICS_PORT']}"

    # The whole system

    def up(self) -> None:
        """Starts everything that is not running yet and returns when all of it is ready.

        When it fails or is interrupted, everything that it started is stopped again.
        """
        self._refuse_impossible_ports()
        with self._exclusive():
            ran = self._supervisor.running()
            if not ran:
                processes.end_leftovers(self.layout.state)
            started: list[str] = []
            try:
                self._supervisor.apply(self._parts.values())
                self._refuse_taken_ports()
                self.layout.ports.record(self.layout.state / "ports.json")
                self._start(list(self._parts.values()), started)
            except BaseException as error:
                if not ran:
                    self._stop_everything()
                    raise
                self._supervisor.stop(started)
                if isinstance(error, LocalSystemError):
                    raise LocalSystemError(f"{error}\nThe system still runs{self._missing()}.") from error
                raise

    def down(self) -> None:
        """Stops everything in order; also ends leftover processes, even without their supervisord."""
        with self._exclusive():
            self._stop_everything()

    def clean(self) -> None:
        """Stops everything and removes all data."""
        self.down()
        self.layout.remove()

    def states(self) -> dict[str, State]:
        """supervisord's state of each part; empty when nothing runs."""
        return self._supervisor.states() if self._supervisor.running() else {}

    # One part

    def names(self, name: str | None = None) -> list[str]:
        """The parts that a name means (`pedidos`: all its replicas), or all parts."""
        return list(self._parts) if name is None else parts.expand(self._parts, name)

    def stop(self, name: str) -> None:
        """Stops a part (`pedidos`: all its replicas); it stays down until `start` or `up`."""
        self._supervisor.stop(self.names(name))

    def start(self, name: str) -> None:
        """Starts a part that was stopped and waits until it is ready."""
        self._start([self._parts[one] for one in self.names(name)], [], sequentially=True)

    def restart(self, name: str) -> None:
        """Stops a part, starts it and waits until it is ready."""
        self.stop(name)
        self.start(name)

    def kill(self, name: str) -> None:
        """Sends SIGKILL to a part's process; supervisord restarts it (see `wait_ready`)."""
        for one in self.names(name):
            self._supervisor.kill(one)

    def wait_ready(self, name: str) -> None:
        """Returns when the part is ready."""
        for one in self.names(name):
            starting.wait_ready(self.layout, self._supervisor, self._parts[one], threading.Event())

    def log(self, name: str) -> str:
        """The part's log since its last rotation."""
        path = self.layout.log(self._part(name).name)
        return path.read_text(errors="replace") if path.exists() else ""

    # Tools

    @property
    def kubectl_path(self) -> Path:
        """The kubectl that goes with the API server."""
        return self._binaries().kubectl

    def kubectl(self, *args: str, stdin: str = "") -> str:
        """Runs kubectl as the administrator; returns its output. Raises LocalSystemError with its error message."""
        command = kubernetes.kubectl_command(self.layout, self.kubectl_path)
        return commands.run(self.layout, [*command, *args], stdin=stdin)

    def psql(self, database: str, script: str) -> str:
        """Runs SQL as the superuser; returns unaligned rows."""
        port: int = getattr(self.layout.ports, f"postgres_{database}")
        return postgres.psql(self.layout, database, port, script)

    # Internals

    def _part(self, name: str) -> Part:
        return self._parts[self.names(name)[0]]

    def _start(self, chosen: list[Part], started: list[str], *, sequentially: bool = False) -> None:
        cancelled = threading.Event()

        def start(part: Part) -> None:
            began = time.monotonic()
            if not self._supervisor.state(part.name).runs:
                _write_files(part)
                part.prepare()
                if cancelled.is_set():
                    return
                started.append(part.name)
                self._supervisor.start(part.name)
            starting.wait_ready(self.layout, self._supervisor, part, cancelled)
            part.ready_once()
            self._report(f"  {part.name} is ready ({time.monotonic() - began:.1f} s)")

        if sequentially:
            for part in chosen:
                start(part)
        else:
            starting.in_order(chosen, start, cancelled)

    def _missing(self) -> str:
        stopped = [name for name, state in self.states().items() if not state.runs]
        return f", without {', '.join(stopped)}" if stopped else ""

    def _refuse_impossible_ports(self) -> None:
        users = dict[int, str]()
        for part in self._parts.values():
            for name, port in part.ports.items():
                user = f"{part.name} ({variable(name)})"
                if port > HIGHEST:
                    raise LocalSystemError(f"{user} would need port {port}: the highest one is {HIGHEST}")
                if port in users:
                    raise LocalSystemError(f"{users[port]} and {user} cannot both have port {port}")
                users[port] = user

    def _refuse_taken_ports(self) -> None:
        states = self._supervisor.states()
        taken = [
            f"port {port} for {part.name} is taken by {processes.listener(port)}; "
            f"end that or choose another port with {variable(name)}"
            for part in self._parts.values()
            if not states[part.name].pid
            for name, port in part.ports.items()
            if not is_free(port)
        ]
        if taken:
            raise LocalSystemError("\n".join(taken))

    def _stop_everything(self) -> None:
        try:
            if self._supervisor.running():
                self._supervisor.stop_all()
        finally:
            for left in processes.end_leftovers(self.layout.state):
                self._report(f"  ended {left}, which was left over")
            shutil.rmtree(self.layout.sockets, ignore_errors=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with (self.layout.state / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalSystemError(
                    f"another command is starting or stopping the system in {self.layout.state}; wait for it"
                ) from None
            yield
