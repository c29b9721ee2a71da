"""An API server of the version that we support takes everything that we would apply, and has no warning about it.

`kubectl apply --dry-run=server` refuses unknown fields, checks schemas and CEL rules, those of other operators'
resources too, and holds pods to the Pod Security Standard `restricted`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ferramentas
import pytest
import yaml
from helm import NAMESPACE, Helm, Manifest
from valores import CHARTS

from local_system import Config, Ports, System, kube_binaries

pytestmark = pytest.mark.integration
K8S = CHARTS.parent / "k8s"
SECURE = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}

RENDERED = {
    "as it comes": ("reserva-estoque", []),
    "everything on": (
        "reserva-estoque",
        [
            "global.podMonitor.enabled=true",
            "global.imagePullSecrets[0].name=registro",
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
            "gateway.httpRoute.parentRefs[0].name=porta",
            "gateway.httpRoute.hostnames[0]=loja.example",
            "gateway.networkPolicy.from[0].namespaceSelector.matchLabels.a=b",
            "operator.networkPolicy.apiServer[0].ipBlock.cidr=10.0.0.0/24",
            f"operator.watchNamespace={NAMESPACE}",
        ],
    ),
    "the data stores": ("dados", []),
    **{f"{chart} alone": (chart, []) for chart in ("pedidos", "estoque", "operator", "gateway", "conferir")},
}
MANIFESTS = sorted([*K8S.glob("exemplos/*.yaml"), *K8S.glob("*.yaml")])


class Cluster:
    """kubectl on an API server, in a namespace that is held to `restricted`."""

    def __init__(self, system: System) -> None:
        self._kubeconfig = system.kubeconfig
        self._kubectl = kube_binaries.find_or_get(lambda _: None).kubectl
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": SECURE}}
        self("apply", "--filename=-", stdin=json.dumps(namespace))

    def __call__(self, *args: str | Path, stdin: str = "") -> str:
        environ = {**os.environ, "KUBECONFIG": str(self._kubeconfig)}
        argv = [self._kubectl, "--warnings-as-errors", *args]
        done = subprocess.run(argv, input=stdin, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def accepts(self, text: str) -> str:
        """What it would do with these manifests."""
        return self("apply", "--dry-run=server", f"--namespace={NAMESPACE}", "--filename=-", stdin=text)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    config = Config(state=tmp_path_factory.mktemp("cluster"), ports=Ports.free(), parts={"kube-apiserver"})
    with System(config) as system:
        yield Cluster(system)


@pytest.fixture(scope="module")
def with_operators(cluster: Cluster) -> Cluster:
    """It knows the resources of CloudNativePG, RabbitMQ, Prometheus, KEDA and the Gateway API too."""
    try:
        files = ferramentas.crds()
    except ferramentas.FaltaError as missing:
        pytest.skip(str(missing))
    names = [f"--filename={file}" for file in files]
    cluster("apply", "--server-side", *names)
    cluster("wait", "--for=condition=Established", "--timeout=60s", *names)
    return cluster


@pytest.mark.parametrize(("chart", "sets"), RENDERED.values(), ids=list(RENDERED))
def test_the_api_server_takes_what_helm_renders(with_operators: Cluster, helm: Helm, chart: str, sets: list[str]):
    text = helm.text(chart, *sets)
    assert len(with_operators.accepts(text).splitlines()) == len([m for m in yaml.safe_load_all(text) if m])


def checkable(manifest: Manifest) -> Manifest:
    """What can be checked of it.

    The backup plugin's definition lies in no Go module that can be verified; its configuration is the one that a
    Cluster itself had before the plugin, field by field.
    """
    if manifest["kind"] != "ObjectStore":
        return manifest
    assert set(manifest["spec"]) == {"retentionPolicy", "configuration"}
    backup = {"barmanObjectStore": manifest["spec"]["configuration"], "retentionPolicy": "1d"}
    spec = {"instances": 1, "storage": {"size": "1Gi"}, "backup": backup}
    return {**manifest, "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "spec": spec}


@pytest.mark.parametrize("folder", ["producao", "restauracao"])
def test_the_api_server_takes_the_production_data_stores(with_operators: Cluster, folder: str):
    built = yaml.safe_load_all(with_operators("kustomize", K8S / folder))
    manifests = [checkable(manifest) for manifest in built]
    accepted = with_operators.accepts(yaml.safe_dump_all(manifests)).splitlines()
    assert len(accepted) == len(manifests) > 20


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: str(file.relative_to(K8S)))
def test_the_api_server_takes_the_manifests(cluster: Cluster, file: Path):
    assert "(server dry run)" in cluster.accepts(file.read_text())


def test_the_api_server_takes_the_system_with_its_production_values(with_operators: Cluster, helm: Helm):
    with_operators.accepts(helm.text("reserva-estoque", values=K8S / "producao/valores.yaml"))


def test_a_pod_that_is_not_restricted_would_have_been_warned_about(cluster: Cluster, helm: Helm):
    text = helm.text("pedidos").replace("runAsNonRoot: true", "runAsNonRoot: false")
    with pytest.raises(AssertionError, match="would violate PodSecurity"):
        cluster.accepts(text)
