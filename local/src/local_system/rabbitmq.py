"""RabbitMQ and its port mapper (epmd) as installed by the machine's package, with their files in the state folder.

The distribution's scripts are used without its wrapper (which changes to the user `rabbitmq`). epmd is a separate
part: if the broker started it, it would become a daemon that outlives the broker.
"""

import os
import re
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from local_system.checks import PLAIN_HTTP, amqp_greets, tcp_accepts
from local_system.credentials import write_private
from local_system.errors import LocalSystemError
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST

PLACES = (
    Path("/usr/lib/rabbitmq/bin"),  # Debian, Ubuntu, Fedora
    Path("/opt/homebrew/opt/rabbitmq/sbin"),
    Path("/usr/local/opt/rabbitmq/sbin"),
    Path("/home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin"),
)
ERLANG = (
    "/usr/lib/erlang/erts-*/bin",
    "/usr/lib64/erlang/erts-*/bin",
    "/opt/homebrew/opt/erlang/lib/erlang/erts-*/bin",
)
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
NO_BUSY_WAIT = "+sbwt none +sbwtdcpu none +sbwtdio none"
"""Idle schedulers sleep at once: the machine has other programs to run (rabbitmq.com/docs/runtime)."""
QUICK_STOP = "-shutdown_time 2000"
"""Milliseconds. The broker has written everything by then; with its metrics plugin, a stop otherwise takes 6 s."""
ENABLED = ("rabbitmq_management", "rabbitmq_prometheus")
PERMISSIONS = {
    service: {
        # What the service declares: its exchange, and its queues with their dead letters.
        "configure": rf"^{service}(\..+)?$",
        # Also the default exchange, through which events enter and leave the dead letters.
        "write": rf"^({service}(\..+)?|amq\.default)$",
        # Its queues, and the exchange that they are bound to.
        "read": rf"^({service}\..+|{peer})$",
    }
    for service, peer in (("pedidos", "estoque"), ("estoque", "pedidos"))
}
"""The permissions of each service's user, as regular expressions of names (rabbitmq.com/docs/access-control)."""
CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {management}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {prometheus}
default_vhost = reservaestoque
default_user = reserva
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
loopback_users = none
vm_memory_high_watermark.absolute = {memory}
disk_free_limit.absolute = {free_disk}
log.console = true
log.console.level = info
log.file = false
"""
FREE_DISK, MEMORY = "200MB", "1GB"
"""With less free disk space, or when it uses more memory, the broker accepts no messages."""
_MANAGEMENT_SECONDS = 30.0


def parts(layout: Layout) -> list[Part]:
    """epmd and the broker."""
    ports = layout.ports
    environment = _environment(layout)
    epmd = Part(
        name="epmd",
        command=lambda: [_epmd(), "-port", str(ports.epmd), "-address", HOST],
        ready=tcp_accepts(ports.epmd),
        env={"HOME": environment["HOME"]},
        ports={"epmd": ports.epmd},
    )
    names = ("rabbitmq", "rabbitmq_management", "rabbitmq_distribution", "rabbitmq_prometheus")
    broker = Part(
        name="rabbitmq",
        command=lambda: [str(server()), "-noinput"],
        ready=amqp_greets(ports.rabbitmq),
        env=environment,
        files=_files(layout),
        needs=("epmd",),
        ports={name: getattr(ports, name) for name in names},
        prepare=lambda: _prepare(layout),
        ready_once=lambda: _provision(layout),
        stop_seconds=15,  # usually 2 s; while it is starting, it does not react at all
        deadline=120,
    )
    return [epmd, broker]


def server() -> Path:
    """The `rabbitmq-server` script. Raises LocalSystemError when RabbitMQ is not installed."""
    configured = os.environ.get("RABBITMQ_SERVER", "")
    candidates = [Path(configured)] if configured else [place / "rabbitmq-server" for place in PLACES]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise LocalSystemError(
        "RabbitMQ is missing: install the package rabbitmq-server (apt, dnf) or rabbitmq (brew), "
        "or set RABBITMQ_SERVER to its rabbitmq-server script"
    )


def _epmd() -> str:
    places = [str(path) for pattern in ERLANG for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    found = shutil.which("epmd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *places]))
    if found is None:
        raise LocalSystemError("epmd, a program of Erlang, is missing: install RabbitMQ with its package manager")
    return found


def _environment(layout: Layout) -> Mapping[str, str]:
    home = layout.state / "rabbitmq"
    return {
        "HOME": str(home),  # where the Erlang cookie is
        "ERL_EPMD_PORT": str(layout.ports.epmd),
        "ERL_EPMD_ADDRESS": HOST,
        # For the broker and every short-lived Erlang VM that it starts: none may start its own epmd daemon.
        "ERL_AFLAGS": "-start_epmd false",
        "RABBITMQ_ALLOW_INPUT": "1",  # the script execs the virtual machine, so signals reach it
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{LOOPBACK} {NO_BUSY_WAIT} {QUICK_STOP}",
        "RABBITMQ_NODENAME": "reserva@localhost",
        "RABBITMQ_DIST_PORT": str(layout.ports.rabbitmq_distribution),
        "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "TERM": "dumb",
    }


def _files(layout: Layout) -> dict[Path, str]:
    home = layout.state / "rabbitmq"
    ports = layout.ports
    text = CONFIGURATION.format(
        host=HOST,
        port=ports.rabbitmq,
        management=ports.rabbitmq_management,
        prometheus=ports.rabbitmq_prometheus,
        free_disk=FREE_DISK,
        memory=MEMORY,
        password=layout.secrets["rabbitmq"],
    )
    return {home / "rabbitmq.conf": text, home / "enabled_plugins": f"[{','.join(ENABLED)}].\n"}


def _prepare(layout: Layout) -> None:
    _write_cookie(layout)
    _leave_out_unused_plugins(layout)


def _write_cookie(layout: Layout) -> None:
    cookie = layout.state / "rabbitmq" / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, layout.secrets["erlang-cookie"])
        cookie.chmod(0o400)  # Erlang refuses a wider mode


def _leave_out_unused_plugins(layout: Layout) -> None:
    """Links what the broker uses of RabbitMQ's `plugins` folder, and makes the folder of the links its home.

    Erlang looks for each module in one folder after another. By itself, RabbitMQ 3.10 starts in 5.2 s with all
    installed plugins, and in 3.5 s with these (medians of eight starts, two cores).
    """
    folder = layout.state / "rabbitmq"
    home = folder / "home"
    plugins = home / "plugins"
    shutil.rmtree(home, ignore_errors=True)
    used = _used_plugins(server().resolve().parent.with_name("plugins"))
    setting = ""
    if used and ":" not in str(home):  # Erlang separates folders by colons
        plugins.mkdir(parents=True)
        for plugin in used:
            (plugins / plugin.name).symlink_to(plugin)
        setting = f"RABBITMQ_HOME={shlex.quote(str(home))}\n"
    (folder / "rabbitmq-env.conf").write_text(setting, encoding="utf-8")


def _used_plugins(folder: Path) -> list[Path]:
    """What a folder of plugins has for the broker: all libraries, the enabled plugins, and those that they need.

    Empty if one of them is missing or is an archive, not a folder.
    """
    resources = {resource.stem: resource for resource in folder.glob("*/ebin/*.app")}
    plugins = {name for name in resources if name.startswith("rabbitmq_")}
    used = {"rabbit", *ENABLED}
    if not used <= resources.keys():
        return []
    left = list(used)
    while left:
        needed = plugins & set(_applications(resources[left.pop()])) - used
        used |= needed
        left += needed
    return sorted(path.parents[1] for name, path in resources.items() if name in used or name not in plugins)


def _applications(resource: Path) -> list[str]:
    """The applications that an Erlang application needs (erlang.org/doc/apps/kernel/app)."""
    found = re.search(r"\{applications,\s*\[([^]]*)\]", resource.read_text(encoding="utf-8"))
    return re.findall(r"\w+", found[1]) if found else []


def _provision(layout: Layout) -> None:
    _provide_users(layout)
    if reason := blocked(layout):
        raise LocalSystemError(reason)


def _provide_users(layout: Layout) -> None:
    """Creates the services' users, or resets the password and permissions of existing ones."""
    with _management(layout) as client:
        for service, permissions in PERMISSIONS.items():
            user = {"password": layout.secrets[f"rabbitmq-{service}"], "tags": ""}
            _put(client, f"/api/users/{service}", user)
            _put(client, f"/api/permissions/reservaestoque/{service}", permissions)


def blocked(layout: Layout) -> str | None:
    """Why the broker accepts no messages; None if it does."""
    try:
        with _management(layout) as client:
            alarms = client.get("/api/health/checks/local-alarms").json().get("alarms", [])
    except httpx.HTTPError as error:
        return f"RabbitMQ's management API does not answer: {error!r}"
    lacking = " and ".join(sorted({alarm["resource"] for alarm in alarms}))
    needed = f"{FREE_DISK} must be free on the disk of {layout.state}, and its memory is limited to {MEMORY}"
    return f"RabbitMQ blocks publishers because it lacks {lacking}: {needed}" if lacking else None


def _management(layout: Layout) -> httpx.Client:
    """The HTTP API as administrator. Errors quote the URL, so the password is not part of it."""
    return httpx.Client(
        base_url=f"http://{HOST}:{layout.ports.rabbitmq_management}",
        auth=httpx.BasicAuth("reserva", layout.secrets["rabbitmq"]),
        trust_env=False,
        verify=PLAIN_HTTP,
        timeout=10,
    )


def _put(client: httpx.Client, url: str, body: Mapping[str, str]) -> None:
    deadline = time.monotonic() + _MANAGEMENT_SECONDS
    while True:
        try:
            client.put(url, json=body).raise_for_status()
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise LocalSystemError(f"RabbitMQ's management API rejected its users: {error!r}") from error
            time.sleep(0.2)
        else:
            return
