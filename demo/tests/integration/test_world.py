"""The sale on a cluster, as far as a kube-apiserver without nodes can show it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from demo.stage import stock_item
from demo.world import Cluster, WorldError
from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

LABELS = {"app.kubernetes.io/name": "pedidos"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    parts = {"kube-apiserver"}
    with System(Config(state=tmp_path_factory.mktemp("cluster"), ports=Ports.free(), parts=parts)) as system:
        yield system


@pytest.fixture
def cluster(system: System, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("PATH", f"{system.kubectl_path.parent}:{os.environ['PATH']}")
    return Cluster("http://127.0.0.1:1", str(system.kubeconfig), "default")


@pytest.fixture
def apply(system: System) -> Callable[..., None]:
    def apply(kind: str, version: str, name: str, spec: object, **status: object) -> None:
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}, "spec": spec}
        system.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        if status:
            patch = json.dumps({"status": status})
            system.kubectl("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")

    return apply


def test_a_pod_is_deleted_and_its_deployment_awaited(system: System, cluster: Cluster, apply: Callable[..., None]):
    assert cluster.parts == []
    pod = {"containers": [{"name": "x", "image": "x"}], "serviceAccountName": "default"}
    system.kubectl("create", "serviceaccount", "default")
    apply("Pod", "v1", "pedidos-a", pod)
    selector = {"matchLabels": LABELS}
    deployment = {"replicas": 2, "selector": selector, "template": {"metadata": {"labels": LABELS}, "spec": pod}}
    apply("Deployment", "apps/v1", "pedidos", deployment, replicas=2, readyReplicas=1)
    assert cluster.parts == ["pedidos"]
    assert cluster.kill("pedidos") == "pod pedidos-a"
    assert cluster.parts == []
    waiting = threading.Thread(target=cluster.wait_ready, args=("pedidos",))
    waiting.start()
    time.sleep(1.5)
    assert waiting.is_alive(), "one of two is not ready"
    apply("Deployment", "apps/v1", "pedidos", deployment, replicas=2, readyReplicas=2)
    waiting.join(20)
    assert not waiting.is_alive()


def test_the_autoscalers_are_shown(cluster: Cluster, apply: Callable[..., None]):
    assert cluster.scale() == {}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "estoque"}
    spec = {"minReplicas": 1, "maxReplicas": 6, "scaleTargetRef": target}
    apply("HorizontalPodAutoscaler", "autoscaling/v2", "estoque", spec, currentReplicas=3, desiredReplicas=3)
    assert cluster.scale() == {"estoque": "3/6"}


def test_stock_is_declared_and_an_unreachable_auditor_is_no_violation(system: System, cluster: Cluster):
    cluster.apply(stock_item("DEMO-CANECA", 5))
    assert json.loads(system.kubectl("get", "stockitem", "demo-caneca", "-o", "json"))["spec"]["quantity"] == 5
    verdict = cluster.conferir()
    assert (verdict.good, "conferir" in verdict.text) == (None, True)
    with pytest.raises(WorldError, match="kubectl apply failed"):
        cluster.apply({"apiVersion": "v1", "kind": "Nothing"})


def test_without_a_kubeconfig_nothing_is_touched():
    gateway_only = Cluster("http://127.0.0.1:1", None, "default")
    assert (gateway_only.parts, gateway_only.scale(), gateway_only.can_declare) == ([], {}, False)
    assert gateway_only.conferir().good is None
