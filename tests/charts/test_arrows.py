"""The NetworkPolicies allow the arrows of the architecture, and nothing else."""

from collections.abc import Iterator

import pytest
from helm import Manifest
from politicas import Pod, allowed

OURS = "reserva-estoque"
PORTS = (53, 443, 5432, 5672, 6443, 8000, 8080, 9901, 9902, 15672, 15692)

DNS = Pod("dns", (("k8s-app", "kube-dns"),), "kube-system")
PROMETHEUS = Pod("prometheus", (("app", "prometheus"),), "monitoring")
ELSEWHERE = Pod("elsewhere", (("app.kubernetes.io/name", "pedidos"),), "default")
STRANGER = Pod("stranger", (("app", "stranger"),), OURS)
API = Pod("api", (("component", "kube-apiserver"),), "kube-system")

ARROWS = {
    ("gateway", "pedidos", 8000),
    ("gateway", "estoque", 8000),
    ("pedidos", "pedidos-db", 5432),
    ("pedidos", "rabbitmq", 5672),
    ("estoque", "estoque-db", 5432),
    ("estoque", "rabbitmq", 5672),
    ("operator", "estoque-db", 5432),
    ("conferir", "pedidos-db", 5432),
    ("conferir", "estoque-db", 5432),
    ("pedidos/migrations", "pedidos-db", 5432),
    ("estoque/migrations", "estoque-db", 5432),
}
# `helm test`: each asks its part, one places an order, one reads both databases.
TESTS = {
    ("pedidos/test", "pedidos", 8000),
    ("estoque/test", "estoque", 8000),
    ("operator/test", "operator", 8000),
    ("conferir/test", "pedidos-db", 5432),
    ("conferir/test", "estoque-db", 5432),
} | {(f"{part}/test", "gateway", 8080) for part in ("pedidos", "estoque", "operator", "conferir", "gateway")}
FOR_ALL = {("gateway", 8080)}
SCRAPED = {
    ("pedidos", 8000),
    ("estoque", 8000),
    ("operator", 8000),
    ("conferir", 8000),
    ("gateway", 9902),
    ("rabbitmq", 15692),
}
RUNNING = ("pedidos", "estoque", "operator", "conferir", "gateway")


@pytest.fixture(scope="module")
def policies(everything: list[Manifest]) -> list[Manifest]:
    return [m for m in everything if m["kind"] == "NetworkPolicy"]


@pytest.fixture(scope="module")
def pods(everything: list[Manifest]) -> dict[str, Pod]:
    return {pod.name: pod for pod in _pods(everything)}


def _pods(everything: list[Manifest]) -> Iterator[Pod]:
    for manifest in everything:
        template = manifest if manifest["kind"] == "Pod" else manifest.get("spec", {}).get("template")
        if not template or "containers" not in template.get("spec", {}):
            continue
        labels = template["metadata"]["labels"]
        name, component = labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]
        name = f"{name}/{component}" if component in ("migrations", "test") else name
        yield Pod(name, tuple(labels.items()), OURS)


def test_all_pods_are_under_policies_both_ways(policies: list[Manifest], pods: dict[str, Pod]):
    assert set(RUNNING) | {"pedidos-db", "estoque-db", "rabbitmq"} <= set(pods)
    for pod in pods.values():
        assert not allowed(policies, OURS, pod, ELSEWHERE, 80), f"{pod.name} may send anything out"
        if pod.name != "gateway":
            assert not any(allowed(policies, OURS, ELSEWHERE, pod, port) for port in PORTS), (
                f"{pod.name} takes anything"
            )


def test_between_pods_there_are_the_arrows_of_the_architecture(policies: list[Manifest], pods: dict[str, Pod]):
    found = {
        (source.name, target.name, port)
        for source in pods.values()
        for target in pods.values()
        for port in PORTS
        if source != target and allowed(policies, OURS, source, target, port)
    }
    assert found - TESTS == ARROWS
    assert found >= TESTS


def test_a_stranger_reaches_the_gateway_and_nothing_else(policies: list[Manifest], pods: dict[str, Pod]):
    for stranger in (STRANGER, ELSEWHERE):
        reached = {(p.name, n) for p in pods.values() for n in PORTS if allowed(policies, OURS, stranger, p, n)}
        assert reached == FOR_ALL


def test_prometheus_reaches_what_it_scrapes(policies: list[Manifest], pods: dict[str, Pod]):
    reached = {(p.name, n) for p in pods.values() for n in PORTS if allowed(policies, OURS, PROMETHEUS, p, n)}
    assert reached == SCRAPED | FOR_ALL


def test_whoever_speaks_to_a_service_may_ask_dns(policies: list[Manifest], pods: dict[str, Pod]):
    asking = {pod.name for pod in pods.values() if allowed(policies, OURS, pod, DNS, 53)}
    assert asking == {source for source, _, _ in ARROWS | TESTS}


def test_only_the_operator_reaches_the_kubernetes_api(policies: list[Manifest], pods: dict[str, Pod]):
    assert {pod.name for pod in pods.values() if allowed(policies, OURS, pod, API, 443)} == {"operator"}
