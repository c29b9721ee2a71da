"""An API server of the supported version accepts everything that we would apply, without warnings.

`kubectl apply --dry-run=server` refuses unknown fields, checks schemas and CEL rules, including those of other
operators' resources, and enforces the Pod Security Standard `restricted`.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libyaml
import pytest
import tools
from chart_values import CHARTS
from helm import LOGIN, NAMESPACE, Helm, Manifest

from local_system import Config, Ports, System, kube_binaries

pytestmark = pytest.mark.integration
K8S = CHARTS.parent / "k8s"
SECURE = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}

RENDERED = {
    "defaults": ("reserva-estoque", []),
    "everything on": (
        "reserva-estoque",
        [
            "global.podMonitor.enabled=true",
            "global.imagePullSecrets[0].name=registry",
            "monitoring.rules.enabled=true",
            "monitoring.dashboards.enabled=true",
            "estoque.autoscaling.keda.enabled=true",
            "estoque.autoscaling.behavior.scaleDown.stabilizationWindowSeconds=10",
            "pedidos.autoscaling.behavior.scaleDown.stabilizationWindowSeconds=10",
            "pedidos.settings.MAX_BATCH=100",
            "pedidos.nodeSelector.disk=ssd",
            "pedidos.priorityClassName=loja",
            "gateway.autoscaling.enabled=true",
            "gateway.service.type=NodePort",
            "gateway.service.nodePort=30080",
            "gateway.service.externalTrafficPolicy=Local",
            "gateway.ingress.enabled=true",
            "gateway.ingress.host=loja.example",
            "gateway.ingress.tlsSecret=loja-tls",
            "gateway.ingress.className=nginx",
            "gateway.httpRoute.enabled=true",
            "gateway.httpRoute.parentRefs[0].name=entrance",
            "gateway.httpRoute.hostnames[0]=loja.example",
            "gateway.networkPolicy.from[0].namespaceSelector.matchLabels.a=b",
            "operator.networkPolicy.apiServer[0].ipBlock.cidr=10.0.0.0/24",
            f"operator.watchNamespace={NAMESPACE}",
        ],
    ),
    "with authorities": (
        "reserva-estoque",
        [
            "estoque.autoscaling.keda.enabled=true",
            "pedidos.database.ca.secret=pedidos-db-ca",
            "estoque.database.ca.configMap=estoque-db-ca",
            "operator.database.ca.secret=estoque-db-ca",
            "pedidos.broker.ca.configMap=rabbitmq-ca",
            "estoque.broker.ca.secret=rabbitmq-tls",
            "conferir.estoqueDatabase.ca.secret=estoque-db-ca",
            "conferir.pedidosDatabase.ca.secret=pedidos-db-ca",
        ],
    ),
    "a cell": (
        "reserva-estoque",
        [
            "gateway.enabled=false",
            "global.gatewayNamespaces[0]=gateway",
            f"operator.watchNamespace={NAMESPACE}",
            "operator.crds.install=false",
        ],
    ),
    "the gateway of a cell": (
        "gateway",
        [
            "defaultCell=false",
            "cells.norte.hosts[0]=norte.loja.example",
            *(
                f"cells.norte.{s}.{pair}"
                for s in ("pedidos", "estoque")
                for pair in (f"host={s}.norte.svc", "port=8000")
            ),
        ],
    ),
    "the data stores": ("data-stores", []),
    **{
        f"{chart} alone": (chart, []) for chart in ("pedidos", "estoque", "operator", "gateway", "conferir", "painel")
    },
}
MANIFESTS = sorted([*K8S.glob("samples/*.yaml"), *K8S.glob("*.yaml")])


class Cluster:
    """kubectl on an API server, in a namespace that enforces `restricted`."""

    def __init__(self, system: System) -> None:
        self.kubeconfig = system.kubeconfig
        self._kubectl = kube_binaries.find_or_get(lambda _: None).kubectl
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": SECURE}}
        self("apply", "--filename=-", stdin=json.dumps(namespace))

    def __call__(self, *args: str | Path, stdin: str = "") -> str:
        environ = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        argv = [self._kubectl, "--warnings-as-errors", *args]
        done = subprocess.run(argv, input=stdin, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, commands: str, namespace: str) -> int:
        """The exit code of a shell that runs commands of the documents, where `$ns` is this namespace."""
        path = f"{self._kubectl.parent}:{os.environ['PATH']}"
        environ = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path, "ns": namespace}
        return subprocess.run(["sh", "-ec", commands], env=environ, capture_output=True, check=False).returncode

    def accepts(self, text: str) -> str:
        """Applies these manifests as a dry run."""
        return self("apply", "--dry-run=server", f"--namespace={NAMESPACE}", "--filename=-", stdin=text)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    config = Config(state=tmp_path_factory.mktemp("cluster"), ports=Ports.free(), parts={"kube-apiserver"})
    with System(config) as system:
        yield Cluster(system)


@pytest.fixture(scope="module")
def with_operators(cluster: Cluster) -> Cluster:
    """It also knows the resources of CloudNativePG, RabbitMQ, Prometheus, KEDA and the Gateway API."""
    try:
        files = tools.crds()
    except tools.MissingError as missing:
        pytest.skip(str(missing))
    names = [f"--filename={file}" for file in files]
    cluster("apply", "--server-side", *names)
    cluster("wait", "--for=condition=Established", "--timeout=60s", *names)
    return cluster


@pytest.mark.parametrize(("chart", "sets"), RENDERED.values(), ids=list(RENDERED))
def test_the_api_server_accepts_what_helm_renders(with_operators: Cluster, helm: Helm, chart: str, sets: list[str]):
    text = helm.text(chart, *sets)
    assert len(with_operators.accepts(text).splitlines()) == len([m for m in libyaml.load_all(text) if m])


def checkable(manifest: Manifest) -> Manifest:
    """The checkable part of the manifests.

    The backup plugin's CRD is in no Go module that can be verified; its configuration has, field by field, the form
    that a Cluster itself had before the plugin.
    """
    if manifest["kind"] != "ObjectStore":
        return manifest
    assert set(manifest["spec"]) == {"retentionPolicy", "configuration"}
    backup = {"barmanObjectStore": manifest["spec"]["configuration"], "retentionPolicy": "1d"}
    spec = {"instances": 1, "storage": {"size": "1Gi"}, "backup": backup}
    return {**manifest, "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "spec": spec}


@pytest.mark.parametrize("folder", ["production", "restore"])
def test_the_api_server_accepts_the_production_data_stores(with_operators: Cluster, folder: str):
    built = libyaml.load_all(with_operators("kustomize", K8S / folder))
    manifests = [checkable(manifest) for manifest in built]
    accepted = with_operators.accepts(libyaml.dump_all(manifests)).splitlines()
    assert len(accepted) == len(manifests) > 20


def test_the_api_server_accepts_the_alerts_of_the_data_stores(with_operators: Cluster):
    accepted = with_operators.accepts((K8S / "production/alerts.yaml").read_text()).splitlines()
    assert len(accepted) == 3


def test_on_kind_the_data_stores_differ_in_sizes_and_backups_only(with_operators: Cluster):
    def built(folder: str) -> dict[tuple[str, str], Manifest]:
        manifests = libyaml.load_all(with_operators("kustomize", K8S / folder))
        return {(m["kind"], m["metadata"]["name"]): m for m in manifests}

    production, kind = built("production"), built("kind/production")
    assert {name for name, _ in production.keys() - kind.keys()} == {"ObjectStore", "ScheduledBackup"}
    for name, manifest in kind.items():
        for one in (manifest, production[name]):
            one["spec"].get("postgresql", {"parameters": {}})["parameters"].pop("shared_buffers", None)
            for path in ("resources", "plugins", "storage", "walStorage", "persistence"):
                one["spec"].pop(path, None)
        assert manifest == production[name]
    with_operators.accepts(libyaml.dump_all(kind.values()))


@pytest.mark.parametrize("folder", ["production", "kind/production", "restore"])
def test_the_buffers_of_the_databases_fit_into_half_of_the_memory_requested(with_operators: Cluster, folder: str):
    """CloudNativePG refuses a Cluster that requests less memory than `shared_buffers`, but its CRD takes it."""
    built = libyaml.load_all(with_operators("kustomize", K8S / folder))
    specs = [manifest["spec"] for manifest in built if manifest["kind"] == "Cluster"]
    assert len(specs) == 2
    for spec in specs:
        buffers = mebibytes(spec["postgresql"]["parameters"]["shared_buffers"])
        assert buffers <= mebibytes(spec["resources"]["requests"]["memory"]) / 2


def mebibytes(size: str) -> int:
    """The size in MiB, given in PostgreSQL's or Kubernetes' spelling."""
    match = re.fullmatch(r"(\d+)(MB|Mi|Gi)", size)
    assert match, size
    return int(match[1]) * (1024 if match[2] == "Gi" else 1)


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: str(file.relative_to(K8S)))
def test_the_api_server_accepts_the_manifests(cluster: Cluster, file: Path):
    assert "(server dry run)" in cluster.accepts(file.read_text())


def test_the_api_server_accepts_the_system_with_its_production_values(with_operators: Cluster, helm: Helm):
    with_operators.accepts(helm.text("reserva-estoque", *LOGIN, values=K8S / "production/values.yaml"))


def test_an_unrestricted_pod_causes_a_warning(cluster: Cluster, helm: Helm):
    text = helm.text("pedidos").replace("runAsNonRoot: true", "runAsNonRoot: false")
    with pytest.raises(AssertionError, match="would violate PodSecurity"):
        cluster.accepts(text)


# Waiting for the production data stores, as the document says

OPERATORS = {
    "clusters.postgresql.cnpg.io": ("github.com/cloudnative-pg/cloudnative-pg@v1.27.0", ["Ready"]),
    "rabbitmqclusters.rabbitmq.com": (
        "github.com/rabbitmq/cluster-operator/v2@v2.16.0",
        ["AllReplicasReady", "ReconcileSuccess"],
    ),
    **{
        f"{kind}.rabbitmq.com": ("github.com/rabbitmq/messaging-topology-operator@v1.15.0", ["Ready"])
        for kind in ("vhosts", "users", "permissions", "exchanges", "queues", "bindings")
    },
}
"""The resources of each operator in `k8s/production`, and the conditions that mark them as ready."""


def waits(timeout: str) -> str:
    """The commands between `kubectl apply -k k8s/production` and `helm install`, with this timeout each."""
    commands = (K8S.parent / "docs/production.md").read_text().split("-k k8s/production\n", 1)[1]
    lines = commands.split("helm dependency", 1)[0]
    return lines.replace("--timeout=15m", f"--timeout={timeout}")


class Stores:
    """The production data stores on an API server, without operators: a test sets the ready ones."""

    def __init__(self, cluster: Cluster) -> None:
        self.namespace = "lojas"
        self._cluster = cluster
        cluster("create", "namespace", self.namespace)
        built = [m for m in libyaml.load_all(cluster("kustomize", K8S / "production")) if m["kind"] != "ObjectStore"]
        text = libyaml.dump_all(built)
        cluster("apply", f"--namespace={self.namespace}", "--filename=-", stdin=text)

    def ready(self, resource: str, condition: str, status: str = "True") -> None:
        """Gives all of these the condition, in addition to their others."""
        when, all_of_it = "2026-01-01T00:00:00Z", OPERATORS[resource][1]
        for name in self._cluster("get", resource, f"--namespace={self.namespace}", "--output=name").split():
            conditions = [
                {"type": c, "status": status if c == condition else "True", "lastTransitionTime": when}
                | {"message": "", "reason": "Test"}
                for c in all_of_it
            ]
            required = {"username": "pedidos"} if resource.startswith("users.") else {}
            patch = json.dumps({"status": {"conditions": conditions, **required}})
            options = (f"--namespace={self.namespace}", "--subresource=status", "--type=merge", f"--patch={patch}")
            self._cluster("patch", name, *options)

    def waited_for(self, timeout: str) -> bool:
        """Whether the document's commands succeed."""
        return self._cluster.shell(waits(timeout), self.namespace) == 0


@pytest.fixture(scope="module")
def stores(with_operators: Cluster) -> Stores:
    stores = Stores(with_operators)
    for resource, (_, conditions) in OPERATORS.items():
        stores.ready(resource, conditions[0])
    return stores


def test_installation_continues_once_every_resource_is_ready(stores: Stores):
    assert stores.waited_for("60s")


@pytest.mark.parametrize(
    ("resource", "condition"),
    [(resource, condition) for resource, (_, conditions) in OPERATORS.items() for condition in conditions],
)
def test_nothing_is_installed_while_a_resource_is_not_ready(stores: Stores, resource: str, condition: str):
    stores.ready(resource, condition, status="False")
    try:
        assert not stores.waited_for("2s")
    finally:
        stores.ready(resource, condition)


def test_every_resource_that_becomes_ready_is_waited_for(with_operators: Cluster):
    kinds = {m["kind"] for m in libyaml.load_all(with_operators("kustomize", K8S / "production"))}
    never_ready = {"NetworkPolicy", "ObjectStore", "ScheduledBackup"}
    assert {f"{kind.lower()}s" for kind in kinds - never_ready} == {name.partition(".")[0] for name in OPERATORS}


@pytest.mark.parametrize("module", sorted({module for module, _ in OPERATORS.values()}))
def test_the_conditions_are_those_that_the_operators_set(module: str):
    try:
        folder = tools.module(module)
    except tools.MissingError as missing:
        pytest.skip(str(missing))
    source = "".join(p.read_text() for p in folder.rglob("*.go") if not p.name.endswith("_test.go"))
    for condition in {c for name, conditions in OPERATORS.values() if name == module for c in conditions}:
        assert re.search(rf'ConditionType = "{condition}"', source), condition


# What Helm prints about Secrets

NAMED = {
    "pedidos.database": "a",
    "pedidos.migrations.database": "b",
    "pedidos.broker": "c",
    "estoque.database": "d",
    "estoque.migrations.database": "e",
    "estoque.broker": "f",
    "operator.database": "g",
    "conferir.estoqueDatabase": "h",
    "conferir.pedidosDatabase": "i",
}
"""The values that name a Secret, with a test name for each."""
NAMES = [f"{path}.{value}" for path, name in NAMED.items() for value in (f"existingSecret={name}", f"key={name}-url")]
WITH_AUTHORITY = {path: name for path, name in NAMED.items() if ".migrations." not in path}
AUTHORITIES = [f"{path}.ca.secret={name}-ca" for path, name in WITH_AUTHORITY.items()]


@pytest.fixture
def namespace(with_operators: Cluster, request: pytest.FixtureRequest) -> str:
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    with_operators("create", "namespace", name)
    return name


def make(cluster: Cluster, namespace: str, secrets: dict[str, list[str]], kind: str = "secret") -> None:
    for name, keys in secrets.items():
        generic = ["generic"] if kind == "secret" else []
        literals = [f"--from-literal={key}=x" for key in keys]
        cluster("create", kind, *generic, name, f"--namespace={namespace}", *literals)


def notes(helm: Helm, cluster: Cluster, namespace: str, *sets: str, values: Path | None = None) -> str:
    """Helm's notes after an installation."""
    options = [word for pair in sets for word in ("--set", pair)]
    options += ["--values", str(values)] if values else []
    where = (
        f"--namespace={namespace}",
        f"--kubeconfig={cluster.kubeconfig}",
        "--dry-run=server",
        "--set=operator.crds.install=false",
    )
    return helm("install", "loja", str(CHARTS / "reserva-estoque"), *where, *options).split("\nNOTES:\n")[1]


def missing(helm: Helm, cluster: Cluster, namespace: str, *sets: str, values: Path | None = None) -> list[str]:
    """Lines of the notes about Secrets."""
    said = notes(helm, cluster, namespace, *sets, values=values)
    assert "To remove it" in said
    return [line for line in said.splitlines() if "Secret" in line or "ConfigMap" in line]


def test_notes_name_the_users_of_each_secret(helm: Helm, with_operators: Cluster, namespace: str):
    assert missing(helm, with_operators, namespace) == [
        "Helm finds no Secret estoque-db in this namespace: create it, or name another one in "
        "estoque.database.existingSecret and estoque.migrations.database.existingSecret and "
        "operator.database.existingSecret and conferir.estoqueDatabase.existingSecret.",
        "Helm finds no Secret pedidos-db in this namespace: create it, or name another one in "
        "pedidos.database.existingSecret and pedidos.migrations.database.existingSecret and "
        "conferir.pedidosDatabase.existingSecret.",
        "Helm finds no Secret rabbitmq in this namespace: create it, or name another one in "
        "pedidos.broker.existingSecret and estoque.broker.existingSecret.",
    ]
    assert missing(helm, with_operators, namespace, *NAMES, *AUTHORITIES) == sorted(
        f"Helm finds no Secret {secret} in this namespace: create it, or name another one in {path}.{value}."
        for path, name in NAMED.items()
        for secret, value in ((name, "existingSecret"), (f"{name}-ca", "ca"))
        if value == "existingSecret" or path in WITH_AUTHORITY
    )


def test_notes_are_silent_when_the_secrets_that_the_values_name_exist(
    helm: Helm, with_operators: Cluster, namespace: str
):
    make(with_operators, namespace, {name: [f"{name}-url"] for name in NAMED.values()})
    make(with_operators, namespace, {f"{name}-ca": ["ca.crt"] for name in WITH_AUTHORITY.values()})
    assert missing(helm, with_operators, namespace, *NAMES, *AUTHORITIES) == []
    off = ["operator.enabled=false", "conferir.enabled=false"]
    unheard = ["operator.database.existingSecret=x", "conferir.estoqueDatabase.existingSecret=y"]
    assert missing(helm, with_operators, namespace, *NAMES, *off, *unheard) == []


def test_notes_are_silent_about_the_production_data_stores(helm: Helm, with_operators: Cluster, namespace: str):
    databases = ("pedidos-db", "estoque-db")
    make(
        with_operators,
        namespace,
        {f"{d}-app": ["uri"] for d in databases} | {f"{d}-ca": ["ca.crt"] for d in databases},
    )
    guests = tuple(f"{d}-{role}" for d in databases for role in ("runtime", "conferente"))
    guests += ("estoque-db-operador", "rabbitmq-pedidos", "rabbitmq-estoque")
    make(with_operators, namespace, {name: ["url"] for name in guests})
    assert missing(helm, with_operators, namespace, *LOGIN, values=K8S / "production/values.yaml") == []


def test_notes_report_missing_keys_and_configmaps(helm: Helm, with_operators: Cluster, namespace: str):
    make(with_operators, namespace, {name: ["other"] for name in ("pedidos-db", "estoque-db", "rabbitmq")})
    make(with_operators, namespace, {"there": ["ca.crt"]}, kind="configmap")
    authorities = ["pedidos.broker.ca.configMap=there", "estoque.broker.ca.configMap=gone"]
    said = missing(helm, with_operators, namespace, *authorities)
    assert sum("has no key" in line for line in said) == 9
    assert [line for line in said if "ConfigMap" in line] == [
        "Helm finds no ConfigMap gone in this namespace: create it, or name another one in estoque.broker.ca."
    ]


@pytest.mark.parametrize("on", [False, True])
def test_notes_say_who_may_read_orders(helm: Helm, with_operators: Cluster, namespace: str, on: bool):
    issuer = "gateway.jwt.issuers.loja"
    sets = [
        "global.jwt.enabled=true",
        f"{issuer}.issuer=https://login.example/",
        f"{issuer}.jwksUri=https://login.example/k",
        f"{issuer}.audiences[0]=reserva-estoque",
    ]
    said = notes(helm, with_operators, namespace, *(sets if on else ()))
    assert ("anyone who reaches the gateway can read and close any order" in said) is not on
    assert ("Every call needs a token" in said) is on
    assert ("Authorization: Bearer $TOKEN" in said) is on


@pytest.mark.parametrize("on", ["true", "false"])
def test_notes_of_a_cell_say_who_may_read_orders(helm: Helm, with_operators: Cluster, namespace: str, on: str):
    sets = ["gateway.enabled=false", "global.gatewayNamespaces={gateway}", f"global.jwt.enabled={on}"]
    said = notes(helm, with_operators, namespace, *sets)
    assert ("every customer can read and close any order" in said) is (on == "false")


def test_notes_name_a_host_that_is_served(helm: Helm, with_operators: Cluster, namespace: str):
    assert "Host:" not in notes(helm, with_operators, namespace)
    assert "-H 'Host: loja.norte.example'" in notes(
        helm, with_operators, namespace, "gateway.hosts={*.norte.example}"
    )


@pytest.mark.parametrize("entrance", ["ingress", "httpRoute"])
@pytest.mark.parametrize("hops", [0, 1])
def test_notes_say_when_all_clients_count_as_one(
    helm: Helm, with_operators: Cluster, namespace: str, entrance: str, hops: int
):
    sets = [f"gateway.{entrance}.enabled=true", f"gateway.trustedHops={hops}"]
    assert ("All clients count as one" in notes(helm, with_operators, namespace, *sets)) is (hops == 0)
