"""The files of one local system, and the addresses and credentials of its parts."""

import fcntl
import hashlib
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        """Creates missing folders and credentials. A folder is the same by any of its names: links are resolved.

        Raises LocalSystemError when the folder belongs to another user or cannot be used.
        """
        state = config.state.resolve()
        if {"'", '"'} & set(str(state)):
            raise LocalSystemError(
                f"{state} cannot hold a local system: RabbitMQ and supervisord accept no quotation marks in a path; "
                "choose another folder with LOCAL_DIR"
            )
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
            state.mkdir(mode=0o700, exist_ok=True)
            _require_owner(state)
            with _locked(state):
                if not any(state.iterdir()):
                    (state / ".gitignore").write_text(IGNORED, encoding="utf-8")
                (state / "logs").mkdir(exist_ok=True)
                secrets = credentials.load_or_create(state / "credentials.json")
        except OSError as error:
            raise LocalSystemError(
                f"{state} cannot hold a local system: {error}; choose another folder with LOCAL_DIR"
            ) from error
        return cls(state, config.ports or Ports.read(state / "ports.json", {}), secrets)

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
            raise LocalSystemError(f"{self.sockets} does not belong to {_user(os.getuid())} alone; remove it")

    def remove(self) -> None:
        """Removes all files of the system, and the folder unless it contains other files."""
        for name in CONTENTS:
            for path in self.state.glob(name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        ignore = self.state / ".gitignore"
        if list(self.state.iterdir()) == [ignore] and ignore.read_text(encoding="utf-8") == IGNORED:
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other commands out of a folder that is being filled."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _require_owner(state: Path) -> None:
    owner = state.stat().st_uid
    if owner != os.getuid():
        raise LocalSystemError(
            f"{state} belongs to {_user(owner)}, not to {_user(os.getuid())}: "
            "run the command as its owner, or choose another folder with LOCAL_DIR"
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
