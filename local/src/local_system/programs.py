"""The five programs, with the same environment as in Kubernetes."""

import sys

from local_system.checks import http_ok
from local_system.config import REPLICATED, Config
from local_system.kubernetes import operator_kubeconfig
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST

PROGRAMS = (*REPLICATED, "operator", "conferir", "painel")


def replicas(config: Config, program: str) -> list[str]:
    """The part names of a program's replicas: `pedidos-1`, …"""
    return [f"{program}-{number + 1}" for number in range(config.replicas.get(program, 1))]


def parts(layout: Layout, config: Config) -> list[Part]:
    """All replicas of pedidos and estoque, the operator, conferir and the panel."""
    services = [
        _service(layout, config, program, number)
        for program in REPLICATED
        for number in range(len(replicas(config, program)))
    ]
    return [*services, _operator(layout, config), _conferir(layout, config), _painel(layout, config)]


def _service(layout: Layout, config: Config, program: str, number: int) -> Part:
    port = getattr(layout.ports, program) + number
    return _program(
        name=f"{program}-{number + 1}",
        module=program,
        port=port,
        port_name=program,
        env={
            **config.settings,
            "IDENTITY": "gateway" if config.jwt else "none",
            **layout.service_env(program),
        },
        needs=(f"postgres-{program}", "rabbitmq"),
    )


def _operator(layout: Layout, config: Config) -> Part:
    return _program(
        name="operator",
        module="operador",
        port=layout.ports.operator,
        port_name="operator",
        env={
            **config.settings,
            "DATABASE_URL": layout.database_url("estoque", role="operador"),
            "KUBECONFIG": str(operator_kubeconfig(layout)),
        },
        needs=("postgres-estoque", "kube-apiserver"),
    )


def _conferir(layout: Layout, config: Config) -> Part:
    return _program(
        name="conferir",
        module="conferir",
        arguments=("--continuous",),
        port=layout.ports.conferir,
        port_name="conferir",
        env={**config.settings, **conferir_env(layout)},
        needs=("postgres-pedidos", "postgres-estoque"),
    )


def _painel(layout: Layout, config: Config) -> Part:
    ports = layout.ports
    watched = {
        "GATEWAY": [ports.gateway_admin],
        "PEDIDOS": [ports.pedidos + number for number in range(len(replicas(config, "pedidos")))],
        "ESTOQUE": [ports.estoque + number for number in range(len(replicas(config, "estoque")))],
        "OPERATOR": [ports.operator],
        "CONFERIR": [ports.conferir],
        "RABBITMQ": [ports.rabbitmq_prometheus],
    }
    return _program(
        name="painel",
        module="painel",
        port=ports.painel,
        port_name="painel",
        env={
            **config.settings,
            "IDENTITY": "gateway" if config.jwt else "none",
            **{f"{part}_URLS": ",".join(f"http://{HOST}:{port}" for port in each) for part, each in watched.items()},
        },
        needs=(),
    )


def conferir_env(layout: Layout) -> dict[str, str]:
    """conferir's database settings: both databases, with its own role."""
    return {
        f"{database.upper()}_DATABASE_URL": layout.database_url(database, role="conferente")
        for database in ("pedidos", "estoque")
    }


def _program(
    *,
    name: str,
    module: str,
    port: int,
    port_name: str,
    env: dict[str, str],
    needs: tuple[str, ...],
    arguments: tuple[str, ...] = (),
) -> Part:
    return Part(
        name=name,
        command=lambda: [sys.executable, "-m", module, *arguments],
        ready=http_ok(f"http://{HOST}:{port}/health/ready"),
        env={**env, "HOST": HOST, "PORT": str(port)},
        needs=needs,
        ports={port_name: port},
    )
