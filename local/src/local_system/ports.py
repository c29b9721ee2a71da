"""The ports of the parts. Everything listens on 127.0.0.1."""

import json
import os
import random
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from local_system import credentials
from local_system.errors import LocalSystemError

HOST = "127.0.0.1"
MAX_REPLICAS = 20
FREE_RANGE = "FREE_PORTS"
"""The environment variable with the range that free ports come from, `10000-16999`. Processes that take ports in
parallel need a range each: between finding a port free and listening on it, another process may take it."""
# Below the range from which Linux and macOS assign ports to outgoing connections: such a connection could occupy
# a part's port while the part restarts.
FREE = range(10_000, 32_000)
HIGHEST = 65_535
_FEW = 99
_REPLICATED = ("pedidos", "pedidos_metrics", "estoque", "estoque_metrics")


@dataclass(frozen=True)
class Ports:
    """One port per part. The environment variable of a field is its name in capitals and `_PORT`.

    `pedidos` and `estoque` are the ports of the first replica; the others follow consecutively. A program with an API
    serves health and metrics on the port `…_metrics`; the others serve nothing else.
    """

    gateway: int = 8080
    gateway_admin: int = 21901
    postgres_pedidos: int = 21432
    postgres_estoque: int = 21433
    rabbitmq: int = 21672
    rabbitmq_management: int = 21673
    rabbitmq_distribution: int = 21674
    rabbitmq_prometheus: int = 21675
    epmd: int = 21369
    etcd: int = 21379
    etcd_peer: int = 21380
    kube_apiserver: int = 21443
    operator: int = 21300
    conferir: int = 21301
    painel: int = 21302
    prometheus: int = 21909
    postgres_exporter: int = 21187
    painel_metrics: int = 21303
    pedidos: int = 21100
    pedidos_metrics: int = 21120
    estoque: int = 21200
    estoque_metrics: int = 21220

    @classmethod
    def free(cls) -> Self:
        """A block of ports that are all free now, for an additional system.

        Raises LocalSystemError when no such block is found, or when FREE_PORTS is invalid.
        """
        usable = _usable(os.environ.get(FREE_RANGE, ""))
        names = [field.name for field in fields(cls) if field.name not in _REPLICATED]
        size = len(names) + len(_REPLICATED) * MAX_REPLICAS
        for _ in range(200):
            base = random.choice(usable[: 1 - size])  # noqa: S311 - not a secret
            if all(is_free(port) for port in range(base, base + size)):
                single = {name: base + i for i, name in enumerate(names)}
                first = base + len(names)
                return cls(**single, **{name: first + i * MAX_REPLICAS for i, name in enumerate(_REPLICATED)})
        raise LocalSystemError(f"no {size} free ports in a row from {usable.start} to {usable.stop - 1}")

    @classmethod
    def read(cls, recorded: Path, environ: Mapping[str, str]) -> Self:
        """The ports from the environment, else those of the last start, else the default table."""
        known = credentials.recorded(recorded) if recorded.exists() else {}
        values = dict[str, int]()
        for field in fields(cls):
            if field.name in known:
                values[field.name] = _port(f"{recorded}: {field.name}", str(known[field.name]))
            text = environ.get(variable(field.name), "")
            if text:
                values[field.name] = _port(variable(field.name), text)
        return cls(**values)

    def record(self, path: Path) -> None:
        """Records the ports, so that the next start uses the same ones."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def variable(name: str) -> str:
    """The environment variable that sets a port: `gateway` → `GATEWAY_PORT`."""
    return f"{name.upper()}_PORT"


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now. Raises LocalSystemError if only root's could."""
    with socket.socket() as probe:
        # Otherwise a port whose last connections are in TIME_WAIT looks taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise LocalSystemError(f"port {port} is reserved for root: choose one from 1024 to 65535") from None
        except OSError:
            return False
        return True


def _usable(text: str) -> range:
    """`10000-16999` → those ports; all of FREE when it is empty."""
    if not text:
        return FREE
    ends = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if ends is None or not int(ends[1]) + _FEW <= int(ends[2]) <= HIGHEST:
        raise LocalSystemError(f"{FREE_RANGE}={text}: write two ports, the second at least {_FEW} above the first")
    return range(int(ends[1]), int(ends[2]) + 1)


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST:
        raise LocalSystemError(f"{name}={text}: a port is a number from 1 to 65535")
    return int(text)
