"""The system as docs/production.md installs it, on a kind cluster with the real operators."""

import json
import os
from typing import Any

from cluster import Cluster, Installation, ToolError, run
from cluster.document import Substitution, script, section
from cluster.installation import NAMESPACE, PROGRAMS, third_party_images
from cluster.tools import ROOT

from reservaestoque.bus.topology import QUEUES

DOCUMENT = ROOT / "docs/production.md"
DATABASES = ("pedidos", "estoque")
SERVERS = 3
DEPLOYMENTS = ("pedidos", "estoque", "operator", "conferir", "gateway")
OPERATORS = (
    "https://github.com/cert-manager/cert-manager/releases/download/v1.18.2/cert-manager.yaml",
    "https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg/release-1.27/releases/cnpg-1.27.0.yaml",
    "https://github.com/rabbitmq/cluster-operator/releases/download/v2.16.0/cluster-operator.yml",
    "https://github.com/rabbitmq/messaging-topology-operator/releases/download/v1.15.0/"
    "messaging-topology-operator-with-certmanager.yaml",
)
"""Manifests that install the operators; E2E_OPERATORS overrides them, possibly with files."""
DATA_STORE_IMAGES = ("ghcr.io/cloudnative-pg/postgresql:17", "rabbitmq:4-management")
OPERATOR_NAMESPACES = ("cert-manager", "cnpg-system", "rabbitmq-system")


def substitutions(tag: str) -> list[Substitution]:
    """The replacements that a kind cluster needs: docs/e2e.md lists them."""
    values = "-f k8s/production/values.yaml"
    more = "-f k8s/kind/production/values.yaml -f tests/e2e/production.yaml"
    return [
        Substitution(r"-k k8s/production\b", "-k k8s/kind/production"),
        Substitution(values, f"{values} {more}"),
        Substitution(r"--set global\.image\.registry=\S+", f"--set-string global.image.tag={tag}"),
        Substitution(r"--set \w+\.image\.digest=\S+", ""),
        Substitution(r"--set gateway\.jwt\.issuers\.\S+", ""),
        Substitution(r"kubectl --namespace \$ns create secret tls gateway-tls .*", ""),
    ]


class Production(Installation):
    """The release `loja` with CloudNativePG and RabbitMQ's operators, in the namespace reserva-estoque."""

    def __init__(self, cluster: Cluster, tag: str) -> None:
        super().__init__(cluster, tag)
        if not cluster.kind:
            raise ToolError("faults of nodes are made with docker: production needs one of kind's clusters")

    @property
    def installed(self) -> bool:
        """Whether the release exists already, as on a cluster kept from an earlier run."""
        return "loja" in self.helm("list", "--short").split()

    def prepare(self) -> None:
        """Installs the operators, as their own documentation says."""
        manifests = os.environ.get("E2E_OPERATORS", "").split() or OPERATORS
        images = os.environ.get("E2E_OPERATOR_IMAGES", "").split()
        ours = [f"reservaestoque/{program}:{self.tag}" for program in PROGRAMS]
        self.cluster.load(*ours, *third_party_images()[-1:], *DATA_STORE_IMAGES, *images)
        for manifest in manifests:
            self.cluster.kubectl("apply", "--server-side", "--filename", manifest, seconds=300)
            self._operators_available()

    def _operators_available(self) -> None:
        for namespace in OPERATOR_NAMESPACES:
            where = (f"--namespace={namespace}", "deployment", "--all")
            if self.cluster.kubectl("get", *where[:2], "--output=name"):
                self.cluster.kubectl("wait", *where, "--for=condition=Available", "--timeout=5m", seconds=320)

    def install(self, *more: str, tag: str = "") -> None:
        """Runs the document's section word for word, except for `substitutions`; `helm test` is part of it."""
        self.run(section(DOCUMENT.read_text(), "Install"), substitutions(tag or self.tag), seconds=1800)
        self.settle()

    def run(self, text: str, replaced: list[Substitution] | None = None, seconds: float = 900) -> str:
        """Runs a document's shell blocks, which stop at the first failure. Raises ToolError."""
        commands = f"set -euo pipefail\nns={NAMESPACE}\n{script(text, replaced or [])}"
        return run("bash", "-c", commands, seconds=seconds, environment=self.cluster.environment)

    def upgrade(self, *values: str) -> None:
        """Upgrades the release with these changes and waits until all of it is ready."""
        self.helm("upgrade", "loja", "charts/reserva-estoque", "--reuse-values", "--wait", "--timeout", "6m", *values)
        self.settle()

    # The data stores

    def primary(self, database: str) -> str:
        """The name of the pod that takes writes."""
        return str(self.read("clusters.postgresql.cnpg.io", f"{database}-db")["status"]["currentPrimary"])

    def node_of(self, pod: str) -> str:
        """The node that a pod is on."""
        return str(self.read("pod", pod)["spec"]["nodeName"])

    def sql(self, database: str, query: str, pod: str = "") -> str:
        """The answer of the primary or another server: rows as lines, columns separated by `|`."""
        psql = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", database, f"--command={query}")
        where = (pod or self.primary(database), "--container=postgres")
        return self.kubectl("exec", *where, "--", *psql, seconds=30).strip()

    def standbys(self, database: str) -> list[str]:
        """The names of the pods that are not the primary."""
        pods = self.read("pods", f"--selector=cnpg.io/cluster={database}-db,cnpg.io/instanceRole=replica")["items"]
        return [str(pod["metadata"]["name"]) for pod in pods]

    def connections(self, database: str) -> int:
        """The number of connections that the primary uses, of its `max_connections`."""
        return int(self.sql(database, "select count(*) from pg_stat_activity where usename is not null"))

    def roles_on(self, node: str) -> str:
        """The databases whose primary is on a node, and the queues whose leader is there."""
        primaries = [one for one in DATABASES if self.node_of(self.primary(one)) == node]
        queues = [queue.name for queue in QUEUES if self.node_of(self.queue_leader(queue.name)) == node]
        return f"primary of {' and '.join(primaries)}" + (f", leader of {' and '.join(queues)}" if queues else "")

    def rabbitmq(self, *command: str, pod: str = "rabbitmq-server-0") -> str:
        """The output of one of RabbitMQ's own programs, run on one of its nodes."""
        return self.kubectl("exec", pod, "--container=rabbitmq", "--", *command, seconds=60).strip()

    def queue_leader(self, queue: str) -> str:
        """The pod that leads a quorum queue."""
        listed = self.rabbitmq(
            *("rabbitmqctl", "--quiet", "--vhost=reservaestoque", "list_queues", "name", "leader", "--formatter=json")
        )
        leader = next(one["leader"] for one in json.loads(listed) if one["name"] == queue)
        return str(leader).partition("@")[2].partition(".")[0]

    def unhealthy(self) -> list[str]:
        """Everything that is not yet restored: servers, streaming standbys, brokers, pods that are not ready."""
        found = [one for database in DATABASES for one in self._unhealthy_of(database)]
        broker = self.read("rabbitmqclusters.rabbitmq.com", "rabbitmq")["status"]["conditions"]
        if {"AllReplicasReady": "True"}.items() - {one["type"]: one["status"] for one in broker}.items():
            found.append("RabbitMQ lacks a node")
        for name in DEPLOYMENTS:
            deployment = self.read("deployment", name)
            status, wanted = deployment["status"], deployment["spec"]["replicas"]
            if not status.get("readyReplicas", 0) == status.get("replicas", 0) == wanted:
                found.append(f"{name} has {status.get('readyReplicas', 0)} of {wanted} replicas ready")
        return found

    def _unhealthy_of(self, database: str) -> list[str]:
        status: dict[str, Any] = self.read("clusters.postgresql.cnpg.io", f"{database}-db")["status"]
        if status["phase"] != "Cluster in healthy state" or status.get("readyInstances") != SERVERS:
            return [f"{database}-db: {status['phase']}, {status.get('readyInstances', 0)} ready"]
        streaming = self._streaming(database)
        return [] if streaming == SERVERS - 1 else [f"{database}-db: {streaming} standbys follow the primary"]

    def _streaming(self, database: str) -> int:
        return int(self.sql(database, "select count(*) from pg_stat_replication where state = 'streaming'"))
