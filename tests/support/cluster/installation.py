"""The system installed with Helm on a cluster, with the same interface as the local one."""

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import libyaml

from cluster.kind import Cluster
from cluster.tools import ROOT, ToolError, run

NAMESPACE = "reserva-estoque"
PROGRAMS = ("pedidos", "estoque", "operator", "conferir", "painel")
PARTS = {
    "pedidos": "deployment/pedidos",
    "estoque": "deployment/estoque",
    "operator": "deployment/operator",
    "conferir": "deployment/conferir",
    "painel": "deployment/painel",
    "gateway": "deployment/gateway",
    "rabbitmq": "statefulset/rabbitmq",
    "pedidos-db": "statefulset/pedidos-db",
    "estoque-db": "statefulset/estoque-db",
}
VALUES = ("k8s/kind/values.yaml", "tests/e2e/values.yaml")
TIMEOUT = "6m"


class Installation:
    """The releases `data-stores` and `loja` in the namespace reserva-estoque, with images of one tag."""

    deployments: tuple[str, ...] = ("pedidos", "estoque", "operator", "conferir", "gateway", "painel")

    def __init__(self, cluster: Cluster, tag: str, namespace: str = NAMESPACE) -> None:
        self.cluster = cluster
        self.tag = tag
        self.namespace = namespace

    @property
    def gateway_url(self) -> str:
        """The gateway's address for customers outside the cluster."""
        return self.cluster.gateway_url

    def kubectl(self, *args: str, stdin: str = "", seconds: float = 120) -> str:
        """Runs kubectl as the administrator, in the system's namespace. Raises ToolError."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *args, stdin=stdin, seconds=seconds)

    def read(self, *args: str) -> dict[str, Any]:
        """The output of `kubectl get`, parsed from JSON."""
        content: dict[str, Any] = json.loads(self.kubectl("get", *args, "--output=json"))
        return content

    def helm(self, *args: str) -> str:
        """Runs helm in the system's namespace. Raises ToolError."""
        argv = ("helm", *args, "--namespace", self.namespace)
        return run(*argv, seconds=480, environment=self.cluster.environment)

    def prepare(self) -> None:
        """Creates the namespace and the data stores, and prepares the nodes."""
        images = [f"reservaestoque/{program}:{self.tag}" for program in PROGRAMS]
        self.cluster.load(*images, *third_party_images())
        self.cluster.kubectl("apply", "--filename", str(ROOT / "k8s/namespace.yaml"))
        run("k8s/dependencies.sh")
        self.helm("upgrade", "--install", "data-stores", "charts/data-stores", "--wait", "--timeout", TIMEOUT)

    def install(self, *more: str, tag: str = "") -> None:
        """Installs the release `loja` or upgrades it, and waits until all of it is ready."""
        values = [argument for file in VALUES for argument in ("--values", file)]
        image = ("--set-string", f"global.image.tag={tag or self.tag}")
        wait = ("--wait", "--timeout", TIMEOUT)
        host = urlsplit(self.gateway_url).hostname  # a node's address on an existing cluster
        served = ("--set", f"gateway.hosts={{{host}}}")
        self.helm("upgrade", "--install", "loja", "charts/reserva-estoque", *values, *served, *image, *wait, *more)
        self.settle()

    def settle(self) -> None:
        """Waits until every rollout is complete. Helm returns when new pods are ready; old ones may still exist."""
        for part in self.deployments:
            self.kubectl("rollout", "status", PARTS[part], f"--timeout={TIMEOUT}", seconds=400)

    def conferir(self, *args: str) -> str:
        """Runs `conferir` in its pod; returns its output. Raises ToolError when it finds anything."""
        return self.kubectl("exec", "deployment/conferir", "--", "python", "-m", "conferir", *args)

    def violations(self) -> list[str]:
        """The counters of the running `conferir` that are not 0."""
        program = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9000/metrics').read().decode())"
        metrics = self.kubectl("exec", "deployment/conferir", "--", "python", "-c", program)
        counted = [row for row in metrics.splitlines() if row.startswith("conferir_violations_total{")]
        if not counted:
            raise ToolError("conferir counts nothing")
        return [row for row in counted if not row.endswith(" 0.0")]

    def pods(self, part: str) -> list[dict[str, Any]]:
        """The pods of a part that are not terminating, oldest first."""
        itens = self.read("pods", f"--selector={selector(part)}")["items"]
        staying = [pod for pod in itens if "deletionTimestamp" not in pod["metadata"]]
        return sorted(staying, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def has_replicas(self, service: str, count: int) -> bool:
        """Whether a service has this many pods, all ready."""
        return len(self.pods(service)) == count and self.ready(service)

    def ready(self, part: str, without: Collection[str] = ()) -> bool:
        """Whether a part has all its pods, all ready, and none with a uid in `without`."""
        pods = self.pods(part)
        return (
            len(pods) == self.read(PARTS[part])["spec"]["replicas"]
            and all(condition(pod, "Ready")["status"] == "True" for pod in pods)
            and not {pod["metadata"]["uid"] for pod in pods} & set(without)
        )


def condition(pod: dict[str, Any], tipo: str) -> dict[str, str]:
    """A condition of a pod's status."""
    none = {"type": tipo, "status": "Unknown", "lastTransitionTime": ""}
    return next((one for one in pod["status"].get("conditions", []) if one["type"] == tipo), none)


def selector(part: str) -> str:
    """Selects a part's own pods, not those that run its migrations or tests."""
    return f"app.kubernetes.io/name={part},app.kubernetes.io/component notin (migrations,test)"


def third_party_images() -> list[str]:
    """The images that are not ours, as the charts name them."""
    called = run("helm", "show", "values", "charts/data-stores"), run("helm", "show", "values", "charts/gateway")
    data, gateway = (libyaml.load(values) for values in called)
    envoy = f"{gateway['image']['repository']}:{gateway['image']['tag']}"
    return [data["postgres"]["image"], data["rabbitmq"]["image"], envoy]
