"""Runs Helm on the charts of this checkout and returns the manifests for given values."""

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import libyaml
from chart_values import CHARTS

from local_system.kube_binaries import VERSION

NAMESPACE = "reserva-estoque"
# The identity provider, which k8s/production/values.yaml leaves unset.
LOGIN = (
    "gateway.jwt.issuers.loja.issuer=https://login.example/",
    "gateway.jwt.issuers.loja.audiences[0]=reserva-estoque",
    "gateway.jwt.issuers.loja.jwksUri=https://login.example/jwks.json",
)
Manifest = dict[str, Any]
Find = Callable[[str], list[Manifest]]


class Helm:
    """Helm commands on the charts of this checkout, with their dependencies in place. Raises RefusedError."""

    def __init__(self, program: Path) -> None:
        self._program = program
        # The libraries come first: a packaged chart includes its dependencies as they are then.
        for chart in sorted(CHARTS.iterdir()):
            self("dependency", "update", str(chart))

    def __call__(self, *args: str) -> str:
        done = subprocess.run([self._program, *args], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefusedError(done.stdout + done.stderr)
        return done.stdout

    def template(
        self, chart: str, *sets: str, release: str = "loja", namespace: str = NAMESPACE, values: Path | None = None
    ) -> list[Manifest]:
        """The manifests for these values (`a.b=c`), and the pods of `helm test`."""
        return [dict(m) for m in _rendered(self, chart, sets, release, namespace, values)]

    def text(
        self, chart: str, *sets: str, release: str = "loja", namespace: str = NAMESPACE, values: Path | None = None
    ) -> str:
        """The same, as Helm's raw output."""
        options = [word for pair in sets for word in ("--set", pair)]
        options += ["--values", str(values)] if values else []
        where = ("--namespace", namespace, "--kube-version", VERSION)
        return self("template", release, str(CHARTS / chart), *where, *options)


class RefusedError(Exception):
    """Helm failed; has its message."""


@cache
def _rendered(
    helm: Helm, chart: str, sets: tuple[str, ...], release: str, namespace: str, values: Path | None
) -> list[Manifest]:
    text = helm.text(chart, *sets, release=release, namespace=namespace, values=values)
    return [m for m in libyaml.load_all(text) if m]
