"""The files of one local system, and the addresses and credentials of its parts."""

import getpass
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local_system import credentials
from local_system.config import ROOT, Config
from local_system.errors import LocalSystemError
from local_system.identity import Issuer
from local_system.ports import HOST, Ports

# Every process of a system carries this variable with the system's state folder, so that leftovers can be found.
MARKER = "RESERVAESTOQUE_LOCAL_DIR"
PART = "RESERVAESTOQUE_LOCAL_PART"
IGNORED = "*\n"
"""The .gitignore of a new state folder: it contains credentials, and may lie anywhere in a checkout."""
CONTENTS = (
    "credentials.json",
    "etcd",
    "gateway",
    "jwt",
    "kube-apiserver",
    "kubeconfig",
    "lock",
    "logs",
    "ports.json",
    "prometheus",
    "postgres-*",
    "rabbitmq",
    "supervisord.*",
)


@dataclass(frozen=True)
class Layout:
    """The files, addresses and credentials that the modules describing parts need."""

    state: Path
    ports: Ports
    secrets: Mapping[str, str]
    root: Path = ROOT

    @classmethod
    def open(cls, config: Config) -> Self:
        """Creates missing folders and credentials, and records the ports."""
        state = config.state.absolute()
        if not state.exists():
            state.mkdir(parents=True)
            (state / ".gitignore").write_text(IGNORED)
        (state / "logs").mkdir(exist_ok=True)
        ports = config.ports or Ports.read(state / "ports.json", {})
        return cls(state, ports, credentials.load_or_create(state / "credentials.json"))

    @property
    def sockets(self) -> Path:
        """A short folder for Unix sockets, whose paths are limited to 107 bytes; the checkout's path may be long.

        It depends only on the user and the state folder, so `down` finds it from any shell.
        """
        name = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path("/tmp") / f"reserva-{os.getuid()}-{name}"  # noqa: S108 - checked in make_sockets_folder

    def make_sockets_folder(self) -> None:
        """Raises LocalSystemError when the folder belongs to another user or is accessible to others."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if self.sockets.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise LocalSystemError(f"{self.sockets} does not belong to {getpass.getuser()} alone; remove it")

    def remove(self) -> None:
        """Removes all files of the system, and the folder unless it contains other files."""
        for name in CONTENTS:
            for path in self.state.glob(name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        ignore = self.state / ".gitignore"
        if list(self.state.iterdir()) == [ignore] and ignore.read_text() == IGNORED:
            ignore.unlink()
        if not any(self.state.iterdir()):
            self.state.rmdir()

    def folder(self, name: str) -> Path:
        """A folder of one part's data."""
        path = self.state / name
        path.mkdir(exist_ok=True)
        return path

    def log(self, part: str) -> Path:
        """The part's log file."""
        return self.state / "logs" / f"{part}.log"

    def database_url(self, database: str, role: str | None = None) -> str:
        """`postgres://role:password@…/database`, by default as the owner, whose name is the database's."""
        role = role or database
        port: int = getattr(self.ports, f"postgres_{database}")
        return f"postgres://{role}:{self.secrets[role]}@{HOST}:{port}/{database}?sslmode=disable"

    @property
    def amqp_url(self) -> str:
        """The broker's address with its administrator and the virtual host."""
        return self._amqp_url("reserva", self.secrets["rabbitmq"])

    def service_env(self, service: str) -> dict[str, str]:
        """The addresses for `pedidos` or `estoque`, with the service's own privileges."""
        return {
            "DATABASE_URL": self.database_url(service, role=f"{service}_runtime"),
            "AMQP_URL": self._amqp_url(service, self.secrets[f"rabbitmq-{service}"]),
        }

    def _amqp_url(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@{HOST}:{self.ports.rabbitmq}/reservaestoque"

    @property
    def gateway_url(self) -> str:
        """The only address that customers need."""
        return f"http://{HOST}:{self.ports.gateway}"

    def issuer(self) -> Issuer:
        """The issuer of this system's tokens. Its keys are generated on first use."""
        return Issuer.open(self.state / "jwt")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for kubectl."""
        return self.state / "kubeconfig"
