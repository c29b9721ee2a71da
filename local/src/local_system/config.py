"""The configuration of a local system, from the environment or from a test."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from local_system.errors import LocalSystemError
from local_system.ports import MAX_REPLICAS, Ports

ROOT = Path(__file__).resolve().parents[3]
REPLICATED = ("pedidos", "estoque")
# Settings of the programs that are passed through from the environment, under the same names as in Kubernetes.
SETTINGS = (
    "LOG_LEVEL",
    "RESERVA_TTL",
    "RESEND_AFTER",
    "RESEND_HORIZON",
    "EVENT_HORIZON",
    "ABANDONED_AFTER",
    "IDEMPOTENCY_RETENTION",
    "INBOX_RETENTION",
    "MAX_BATCH",
    "MAX_EVENTS",
    "MAX_WAITING",
    "MAX_STREAMS",
    "MAX_STREAMS_PER_CLIENT",
    "CHANGE_RETENTION",
    "EXPIRY_INTERVAL",
    "STATUS_INTERVAL",
    "RESYNC_INTERVAL",
    "NAMESPACE",
    "SLICE_ROWS",
    "STEP_INTERVAL",
    "RECENT",
    "GRACE",
    "DELIVERY_LIMIT",
    "SHORTEST_RETENTION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_BSP_SCHEDULE_DELAY",
)


@dataclass(frozen=True)
class Config:
    """One local system.

    state: folder of its data, logs and socket address; two systems need two folders.
    ports: None means those of the last start in this folder, else the default table.
    replicas: how many processes of `pedidos` and `estoque` run, 1 each by default.
    settings: environment of the programs, e.g. {"RESERVA_TTL": "5s"}.
    jwt: whether every call needs a token (`make token`). limits: whether the gateway limits each client.
    hosts: names for which the gateway accepts requests, besides those of the loopback interface.
    observe: whether Prometheus runs too. scrape: its scrape interval.
    parts: what to run, including dependencies; None means everything. A program's name means all its replicas.
    """

    state: Path = ROOT / ".local"
    ports: Ports | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    jwt: bool = False
    limits: bool = False
    hosts: tuple[str, ...] = ()
    observe: bool = False
    scrape: str = "2s"
    parts: frozenset[str] | set[str] | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads LOCAL_DIR, the ports, REPLICAS, GATEWAY_JWT, GATEWAY_LIMITS, GATEWAY_HOSTS, OBSERVE and the programs'
        settings.

        Raises LocalSystemError with a sentence when a value is invalid.
        """
        state = Path(environ.get("LOCAL_DIR") or ROOT / ".local")
        return cls(
            state=state,
            ports=Ports.read(state / "ports.json", environ),
            replicas=parse_replicas(environ.get("REPLICAS", "")),
            settings=parse_settings(environ),
            jwt=parse_switch("GATEWAY_JWT", environ),
            limits=parse_switch("GATEWAY_LIMITS", environ),
            hosts=parse_hosts(environ.get("GATEWAY_HOSTS", "")),
            observe=parse_switch("OBSERVE", environ),
        )


def parse_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of the programs. Those that the gateway reads too are checked; a program checks its own."""
    settings = {name: environ[name] for name in SETTINGS if environ.get(name)}
    endpoint = settings.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint and not _is_url(endpoint):
        raise LocalSystemError(f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}: write a URL such as http://127.0.0.1:4318")
    share = settings.get("OTEL_TRACES_SAMPLER_ARG", "1")
    ratio = settings.get("OTEL_TRACES_SAMPLER", "").endswith("traceidratio")
    if ratio and not re.fullmatch(r"1(\.0+)?|0?\.[0-9]+|0", share):
        raise LocalSystemError(f"OTEL_TRACES_SAMPLER_ARG={share}: write a share from 0 to 1, such as 0.25")
    return settings


def _is_url(text: str) -> bool:
    try:
        address = urlsplit(text)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False


def parse_switch(name: str, environ: Mapping[str, str]) -> bool:
    """`on` or `off`, which is also what an unset variable means."""
    text = environ.get(name) or "off"
    if text not in ("on", "off"):
        raise LocalSystemError(f"{name}={text}: write on or off")
    return text == "on"


def parse_hosts(text: str) -> tuple[str, ...]:
    """`box.example,*.box.example` → those names, without a port."""
    hosts = tuple(entry.strip() for entry in text.split(",") if entry.strip())
    for host in hosts:
        if not re.fullmatch(r"(\*\.)?[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?", host):
            raise LocalSystemError(f"GATEWAY_HOSTS={text}: {host!r} is not a host name; write names without a port")
    return hosts


def parse_replicas(text: str) -> dict[str, int]:
    """`pedidos=2,estoque=2` → {"pedidos": 2, "estoque": 2}; a program that is not named runs once."""
    replicas = dict.fromkeys(REPLICATED, 1)
    for entry in filter(None, text.split(",")):
        name, _, count = (part.strip() for part in entry.partition("="))
        if name not in REPLICATED:
            raise LocalSystemError(f"REPLICAS={text}: {name!r} has no replicas, only {' and '.join(REPLICATED)} do")
        if not re.fullmatch(r"[0-9]{1,3}", count) or not 1 <= int(count) <= MAX_REPLICAS:
            raise LocalSystemError(f"REPLICAS={text}: write {name}=N with N from 1 to {MAX_REPLICAS}")
        replicas[name] = int(count)
    return replicas
