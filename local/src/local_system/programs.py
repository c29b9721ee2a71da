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


def metrics_port(program: str) -> str:
    """The name of the port with the program's health and metrics, of its first replica."""
    return program if program in ("operator", "conferir") else f"{program}_metrics"


def metrics_ports(layout: Layout, config: Config, program: str) -> list[int]:
    """The ports with health and metrics of all replicas of a program."""
    first: int = getattr(layout.ports, metrics_port(program))
    return [first + number for number in range(len(replicas(config, program)))]


def parts(layout: Layout, config: Config) -> list[Part]:
    """All replicas of pedidos and estoque, the operator, conferir and the panel."""
    services = [
        _service(layout, config, program, number)
        for program in REPLICATED
        for number in range(len(replicas(config, program)))
    ]
    return [*services, _operator(layout, config), _conferir(layout, config), _painel(layout, config)]


def _service(layout: Layout, config: Config, program: str, number: int) -> Part:
    ports = layout.ports
    return _program(
        name=f"{program}-{number + 1}",
        module=program,
        ports={name: getattr(ports, name) + number for name in (program, metrics_port(program))},
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
        ports={"operator": layout.ports.operator},
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
        ports={"conferir": layout.ports.conferir},
        env={**config.settings, **conferir_env(layout)},
        needs=("postgres-pedidos", "postgres-estoque"),
    )


def _painel(layout: Layout, config: Config) -> Part:
    ports = layout.ports
    watched = {
        "GATEWAY": [ports.gateway_admin],
        **{name.upper(): metrics_ports(layout, config, name) for name in (*REPLICATED, "operator", "conferir")},
        "RABBITMQ": [ports.rabbitmq_prometheus],
    }
    return _program(
        name="painel",
        module="painel",
        ports={"painel": ports.painel, "painel_metrics": ports.painel_metrics},
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
    ports: dict[str, int],
    env: dict[str, str],
    needs: tuple[str, ...],
    arguments: tuple[str, ...] = (),
) -> Part:
    """Health and metrics are on the last of `ports`; the API, if the program has one, on the first."""
    api, metrics = [*ports.values()][:-1], [*ports.values()][-1]
    return Part(
        name=name,
        command=lambda: [sys.executable, "-m", module, *arguments],
        ready=http_ok(*(f"http://{HOST}:{port}/health/ready" for port in ports.values())),
        env={**env, "HOST": HOST, "METRICS_PORT": str(metrics), **({"PORT": str(api[0])} if api else {})},
        needs=needs,
        ports=ports,
    )
