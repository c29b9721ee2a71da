"""The system on which the sale takes place: local processes, pods of a cluster, or only a gateway."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from demo.plan import BROKER
from local_system import LocalSystemError, System
from local_system.layout import Layout
from local_system.programs import conferir_env

_BACKING = ("postgres", "rabbitmq", "epmd", "etcd", "kube-apiserver", "prometheus")
_SCOPES = "pedidos:admin estoque:ler"
_TOKEN_SECONDS = 3600
_PARTS = ("gateway", "pedidos", "estoque", "operator", "conferir", "painel")
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.5
_COMMAND_SECONDS = 300


class Verdict(NamedTuple):
    """The verdict of `conferir`; `good` is None if it could not run."""

    good: bool | None
    text: str


class World(Protocol):
    """Every method blocks; those that act raise WorldError."""

    @property
    def gateway_url(self) -> str:
        """The gateway's address, the customers' entry point."""

    @property
    def token(self) -> str | None:
        """The token of the shoppers: it may order for every customer and read balances."""

    @property
    def parts(self) -> list[str]:
        """One replica of each part that the demo may kill."""

    @property
    def restarts_broker(self) -> bool:
        """Whether RabbitMQ may be restarted."""

    @property
    def can_declare(self) -> bool:
        """Whether stock can be declared."""

    def kill(self, part: str) -> str:
        """Kills a replica; returns what was killed."""

    def wait_ready(self, part: str) -> None:
        """Returns when all replicas of the part are ready again."""

    def restart_broker(self) -> None:
        """Stops RabbitMQ, starts it and waits for it."""

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply`."""

    def scale(self) -> dict[str, str]:
        """The current and maximum pods of each autoscaled part: `{"pedidos": "2/6"}`."""

    def conferir(self) -> Verdict:
        """The auditor's verdict with `--at-rest`."""


class WorldError(Exception):
    """A failure, as a sentence."""


class Local:
    """The local system."""

    restarts_broker = True
    can_declare = True

    def __init__(self, system: System) -> None:
        self._system = system

    @property
    def gateway_url(self) -> str:
        """The address of the local gateway."""
        return self._system.gateway_url

    @property
    def token(self) -> str | None:
        """A new token if the gateway requires tokens."""
        if not self._system.config.jwt:
            return None
        return self._system.layout.issuer().token("demo", _SCOPES, _TOKEN_SECONDS)

    @property
    def parts(self) -> list[str]:
        """The first replica of each of the system's programs, and the gateway."""
        ours = [name for name in self._system.names() if not name.startswith(_BACKING)]
        return [name for name in ours if not name.rpartition("-")[2].isdecimal() or name.endswith("-1")]

    def kill(self, part: str) -> str:
        """SIGKILL; supervisord restarts it."""
        _as_world_error(lambda: self._system.kill(part))
        return part

    def wait_ready(self, part: str) -> None:
        """Returns when the part is ready again."""
        _as_world_error(lambda: self._system.wait_ready(part))

    def restart_broker(self) -> None:
        """Stops RabbitMQ, starts it and waits for it."""
        _as_world_error(lambda: self._system.restart(BROKER))

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply`."""
        _as_world_error(lambda: self._system.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)))

    def scale(self) -> dict[str, str]:
        """Empty: nothing is autoscaled here."""
        return {}

    def conferir(self) -> Verdict:
        """Runs the auditor here."""
        layout: Layout = self._system.layout
        argv = [sys.executable, "-m", "conferir", "--at-rest"]
        return _verdict(_run(argv, environ=conferir_env(layout)))


class Cluster:
    """Pods, through kubectl; without a `kubeconfig`, only the gateway."""

    restarts_broker = False

    def __init__(self, gateway: str, kubeconfig: str | None, namespace: str) -> None:
        self.gateway_url = gateway
        self._kubeconfig, self._namespace = kubeconfig, namespace

    @property
    def token(self) -> str | None:
        """From the environment."""
        return os.environ.get("RESERVA_TOKEN")

    @property
    def can_declare(self) -> bool:
        """Whether there is a kubeconfig."""
        return self._kubeconfig is not None

    @property
    def parts(self) -> list[str]:
        """The parts that have pods here."""
        return [part for part in _PARTS if self._kubeconfig and self._pods(part)]

    def kill(self, part: str) -> str:
        """Deletes a pod at once."""
        pod = self._pods(part)[0]["metadata"]["name"]
        self._kubectl("delete", "pod", pod, "--wait=false", "--grace-period=0", "--force")
        return f"pod {pod}"

    def wait_ready(self, part: str) -> None:
        """Returns when its Deployment has all its pods."""
        end = time.monotonic() + _READY_SECONDS
        time.sleep(_POLL_SECONDS)
        while True:
            status = json.loads(self._kubectl("get", "deployment", part, "--output=json"))
            wanted, ready = status["spec"]["replicas"], status["status"].get("readyReplicas", 0)
            if ready >= wanted:
                return
            if time.monotonic() > end:
                raise WorldError(f"{part} has {ready} of {wanted} pods after {_READY_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def restart_broker(self) -> None:
        """Never restarts a cluster's broker: it may serve other systems."""
        raise WorldError("the broker of a cluster is not restarted")

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply`."""
        self._kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def scale(self) -> dict[str, str]:
        """The current and maximum pods of each HPA."""
        if self._kubeconfig is None:
            return {}
        found = json.loads(self._kubectl("get", "hpa", "--output=json"))["items"]
        return {
            one["metadata"]["name"]: f"{one['status'].get('currentReplicas', 0)}/{one['spec']['maxReplicas']}"
            for one in found
        }

    def conferir(self) -> Verdict:
        """Runs the auditor in its pod."""
        if self._kubeconfig is None:
            return Verdict(None, "the auditor cannot run without KUBECONFIG")
        command = ["exec", "deployment/conferir", "--", "python", "-m", "conferir", "--at-rest"]
        return _verdict(_run(self._argv(*command)))

    def _pods(self, part: str) -> list[dict[str, Any]]:
        chosen = f"--selector=app.kubernetes.io/name={part},app.kubernetes.io/component notin (migrations,test)"
        found: list[dict[str, Any]] = json.loads(self._kubectl("get", "pods", chosen, "--output=json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _argv(self, *arguments: str) -> list[str]:
        return ["kubectl", f"--kubeconfig={self._kubeconfig}", f"--namespace={self._namespace}", *arguments]

    def _kubectl(self, *arguments: str, stdin: str = "") -> str:
        try:
            done = _run(self._argv(*arguments), stdin=stdin)
        except OSError as error:
            raise WorldError(f"kubectl cannot be run: {error.strerror}") from error
        if done.returncode:
            raise WorldError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
        return str(done.stdout)


def _run(
    argv: Sequence[str], *, stdin: str = "", environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **(environ or {})}
    return subprocess.run(
        argv, input=stdin, env=env, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
    )


def _as_world_error(act: Callable[[], object]) -> None:
    try:
        act()
    except LocalSystemError as error:
        raise WorldError(str(error)) from error


def _verdict(done: "subprocess.CompletedProcess[str]") -> Verdict:
    """kubectl may also exit with 1, but then prints no result."""
    printed, complaints = done.stdout.strip().splitlines(), done.stderr.strip().splitlines()
    good = {0: True, 1: False}.get(done.returncode) if printed else None
    lines = printed if good is not None else complaints or [f"conferir ended with {done.returncode}"]
    return Verdict(good, lines[-1])
