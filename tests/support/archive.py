"""An archive of both databases in an object store: real PostgreSQL, Barman's programs, an S3 server on loopback.

The tests run the shell blocks of docs/production.md. There is no `kubectl` here: the blocks find a program of that
name which runs the command given to `kubectl exec` locally, against the part that corresponds to the pod.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import tools

from local_system import Ports, System, postgres, programs, rabbitmq

ROOT = Path(__file__).resolve().parents[2]
DATABASES = ("pedidos", "estoque")
_KEY, _SECRET = "archive", "only-on-loopback"
_KUBECTL = Path(__file__).with_name("kubectl_here.py")


def blocks(section: str) -> list[str]:
    """The shell blocks of a section of docs/production.md, without its subsections. Raises ValueError if none."""
    text = (ROOT / "docs/production.md").read_text()
    match = re.search(rf"^#+ {re.escape(section)}\n(.*?)(?=^## |^### |\Z)", text, re.M | re.S)
    found = re.findall(r"^ *```sh\n(.*?)^ *```", match[1], re.M | re.S) if match else []
    if not found:
        raise ValueError(f"no commands below {section!r}")
    return found


def block(section: str, text: str) -> str:
    """The only block of a section that contains this text. Raises ValueError unless exactly one does."""
    [found] = [one for one in blocks(section) if text in one]
    return found


@contextmanager
def object_store(folder: Path, bucket: str) -> Iterator[str]:
    """The address of an S3 server that keeps its objects below `folder`. Raises MissingError."""
    port = Ports.free().pedidos
    (folder / bucket).mkdir(parents=True)
    server = [tools.barman() / "rclone", "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*server, "--auth-key", f"{_KEY},{_SECRET}", folder], stdout=log, stderr=log)
    try:
        _listens(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the object store does not listen")


def link_programs(folder: Path) -> None:
    """Puts what the blocks need in place: PostgreSQL's programs and `kubectl` in `folder`, k8s/ next to it."""
    folder.mkdir()
    for program in postgres.BIN.iterdir():
        (folder / program.name).symlink_to(program)
    _script(folder / "kubectl", f'exec {shlex.quote(sys.executable)} {shlex.quote(str(_KUBECTL))} "$@"')
    _script(folder / "python", f'exec {shlex.quote(sys.executable)} "$@"')
    (folder.parent / "k8s").symlink_to(ROOT / "k8s")


def barman(folder: Path) -> None:
    """Adds Barman's programs, with the object store's key. Raises MissingError."""
    key = f"AWS_ACCESS_KEY_ID={_KEY} AWS_SECRET_ACCESS_KEY={_SECRET} AWS_DEFAULT_REGION=us-east-1"
    for program in tools.barman().glob("barman-cloud-*"):
        _script(folder / program.name, f'exec env {key} {shlex.quote(str(program))} "$@"')


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


class Archive:
    """The archives of a running system's databases. `folder`, created by `link_programs`, comes first in PATH."""

    def __init__(self, system: System, endpoint: str, folder: Path) -> None:
        self.system = system
        self._endpoint = endpoint
        self._folder = folder

    def run(self, script: str, database: str | None = None, **variables: str) -> str:
        """The output of a shell block of the document, run verbatim; with `database` it connects to that server."""
        return self._bash(script, database, variables)

    def empty(self, database: str) -> None:
        """Replaces a lost server by a new one, with the roles and the database that initdb creates, and no table."""
        self.system.start(f"postgres-{database}")
        layout = self.system.layout
        script = f"drop database {database} with (force);\n{postgres.provisioning(database, layout.secrets)}"
        postgres.psql(layout, "postgres", getattr(layout.ports, f"postgres_{database}"), script)

    def restore(self, script: str, database: str, instant: str) -> None:
        """Restores a lost server's data with this block, as the server's user, and starts it."""
        self._bash(script, database, {"instant": instant}, *postgres.unprivileged())
        self.system.start(f"postgres-{database}")

    def _bash(self, script: str, database: str | None, variables: Mapping[str, str], *prefix: str) -> str:
        env = {**os.environ, **self._environment(database), **variables}
        argv = [*prefix, "bash", "-euo", "pipefail", "-c", f"ns=reserva-estoque\n{script}"]
        done = subprocess.run(
            argv, env=env, cwd=self._folder.parent, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _environment(self, database: str | None) -> dict[str, str]:
        layout = self.system.layout
        [broker] = [part for part in rabbitmq.parts(layout) if part.name == "rabbitmq"]
        env = {
            "PATH": f"{self._folder}:{os.environ['PATH']}",
            "endpoint": self._endpoint,
            **{f"HERE_PORT_{name}": str(getattr(layout.ports, f"postgres_{name}")) for name in DATABASES},
            "HERE_PASSWORD": layout.secrets["postgres"],
            "HERE_RABBITMQCTL": str(rabbitmq.server().with_name("rabbitmqctl")),
            **{f"HERE_BROKER_{name}": value for name, value in broker.env.items()},
            **programs.conferir_env(layout),
        }
        if database:
            port = getattr(layout.ports, f"postgres_{database}")
            env |= {"db": database, "PGDATA": str(self.data(database)), "PGHOST": "127.0.0.1", "PGPORT": str(port)}
            env |= {"PGUSER": "postgres", "PGPASSWORD": layout.secrets["postgres"], "PGDATABASE": "postgres"}
        return env

    def data(self, database: str) -> Path:
        """A server's data folder."""
        return self.system.layout.state / f"postgres-{database}" / "data"

    def begin(self, script: str) -> None:
        """Makes both servers archive their WAL."""
        for database in DATABASES:
            self.run(script, database)
            self.system.restart(f"postgres-{database}")

    def now(self) -> datetime:
        """The clock of pedidos' server."""
        return datetime.fromisoformat(self.system.psql("pedidos", "select clock_timestamp();").strip())

    def archive_everything(self, script: str) -> None:
        """Runs the block that starts a new WAL file; returns when the archives have the earlier ones."""
        last = {
            database: self.system.psql(database, "select pg_walfile_name(pg_current_wal_lsn());").strip()
            for database in DATABASES
        }
        self.run(script)
        end = time.monotonic() + 120
        while any(self._archived(database) < wal for database, wal in last.items()):
            if time.monotonic() > end:
                raise TimeoutError(f"not archived: {last}")
            time.sleep(0.2)

    def _archived(self, database: str) -> str:
        return self.system.psql(database, "select last_archived_wal from pg_stat_archiver;").strip()

    def newest_change(self, database: str) -> str:
        """The newest row of the change log, `transaction.row`."""
        newest = "select transacao || '.' || id from mudanca order by transacao desc, id desc limit 1;"
        return self.system.psql(database, newest).strip()

    def agree(self, instant: datetime) -> None:
        """The step that makes both databases report their last changes to each other."""
        self.run(block("Restore", "agree.sh").replace("2030-01-01 12:00:00+00", str(instant)))

    def orders(self, database: str) -> dict[str, tuple[str, int]]:
        """Status and version of each order in a database, by id."""
        rows = self.system.psql(database, "select id, status, versao from pedido;").split()
        return {pedido: (status, int(versao)) for pedido, status, versao in (row.split("|") for row in rows)}

    def lose(self, database: str) -> None:
        """Loses the volume, and with it the server, while it runs."""
        shutil.rmtree(self.data(database), ignore_errors=True)  # the server still writes files
        self.system.stop(f"postgres-{database}")
        shutil.rmtree(self.data(database), ignore_errors=True)
