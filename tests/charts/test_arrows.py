"""The NetworkPolicies allow the arrows of the architecture, and nothing else."""

from collections.abc import Collection, Iterator

import libyaml
import pytest
from chart_values import CHARTS
from helm import LOGIN, Helm, Manifest
from network_policies import Pod, allowed

OURS = "reserva-estoque"
PORTS = (53, 443, 5432, 5671, 5672, 6443, 8000, 8080, 9000, 9901, 9902, 15672, 15692)

DNS = Pod("dns", (("k8s-app", "kube-dns"),), "kube-system")
PROMETHEUS = Pod("prometheus", (("app", "prometheus"),), "monitoring")
ELSEWHERE = Pod("elsewhere", (("app.kubernetes.io/name", "pedidos"),), "default")
STRANGER = Pod("stranger", (("app", "stranger"),), OURS)
KEDA = Pod("keda-operator", (("app", "keda-operator"),), "keda")
API = Pod("api", (("component", "kube-apiserver"),), "kube-system")

ARROWS = {
    ("gateway", "pedidos", 8000),
    ("gateway", "estoque", 8000),
    ("gateway", "painel", 8000),
    ("painel", "pedidos", 9000),
    ("painel", "estoque", 9000),
    ("painel", "operator", 9000),
    ("painel", "conferir", 9000),
    ("painel", "gateway", 9902),
    ("painel", "rabbitmq", 15692),
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
# `helm test`: each pod checks its part, one places an order, one reads both databases.
TESTS = {
    ("pedidos/test", "pedidos", 9000),
    ("estoque/test", "estoque", 9000),
    ("operator/test", "operator", 9000),
    ("painel/test", "painel", 9000),
    ("conferir/test", "pedidos-db", 5432),
    ("conferir/test", "estoque-db", 5432),
} | {
    (f"{part}/test", "gateway", 8080) for part in ("pedidos", "estoque", "operator", "conferir", "gateway", "painel")
}
FOR_ALL = {("gateway", 8080)}
SCRAPED = {
    ("pedidos", 9000),
    ("estoque", 9000),
    ("operator", 9000),
    ("conferir", 9000),
    ("painel", 9000),
    ("gateway", 9902),
    ("rabbitmq", 15692),
}
# The data stores for production, as their operators label them.
STORES = (
    Pod("pedidos-db", (("cnpg.io/cluster", "pedidos-db"),), OURS),
    Pod("estoque-db", (("cnpg.io/cluster", "estoque-db"),), OURS),
    Pod(
        "rabbitmq", tuple((f"app.kubernetes.io/{key}", "rabbitmq") for key in ("name", "component", "part-of")), OURS
    ),
)
PRODUCTION = CHARTS.parent / "k8s/production"
RUNNING = ("pedidos", "estoque", "operator", "conferir", "gateway", "painel")


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
        assert not allowed(policies, OURS, pod, ELSEWHERE, 80), f"{pod.name} may send to any address"
        if pod.name != "gateway":
            assert not any(allowed(policies, OURS, ELSEWHERE, pod, port) for port in PORTS), (
                f"{pod.name} accepts any connection"
            )


Arrow = tuple[str, str, int]


def arrows(policies: list[Manifest], pods: Collection[Pod]) -> set[Arrow]:
    return {
        (source.name, target.name, port)
        for source in pods
        for target in pods
        for port in PORTS
        if source != target and allowed(policies, OURS, source, target, port)
    }


def test_pods_connect_along_the_arrows_of_the_architecture_and_no_others(
    policies: list[Manifest], pods: dict[str, Pod]
):
    found = arrows(policies, pods.values())
    assert found - TESTS == ARROWS
    assert found >= TESTS


def production(helm: Helm, *sets: str) -> tuple[list[Manifest], list[Pod]]:
    """The policies with the data stores for production, and the pods."""
    text = helm.text("reserva-estoque", *LOGIN, *sets, values=PRODUCTION / "values.yaml")
    rendered = [m for m in libyaml.load_all(text) if m]
    stores = list(libyaml.load_all((PRODUCTION / "network-policies.yaml").read_text()))
    return [m for m in [*rendered, *stores] if m["kind"] == "NetworkPolicy"], [*_pods(rendered), *STORES]


def test_production_has_the_same_arrows_plus_tls_to_the_broker(helm: Helm):
    policies, pods = production(helm)
    with_tls = {(source, target, 5671) for source, target, port in ARROWS if port == 5672}
    assert len(with_tls) == 2
    to_the_gateway = {(pod.name, *target) for pod in STORES for target in FOR_ALL}  # their egress is not restricted
    assert arrows(policies, pods) - TESTS - to_the_gateway == ARROWS | with_tls


@pytest.mark.parametrize("how", ["for development", "in production"])
def test_keda_reaches_the_broker_only_where_it_scales_by_the_queue(helm: Helm, how: str):
    def reached(*sets: str) -> set[tuple[str, int]]:
        if how == "in production":
            policies, pods = production(helm, *sets)
        else:
            rendered = [
                *helm.template("data-stores", release="data-stores"),
                *helm.template("reserva-estoque", *sets),
            ]
            policies, pods = [m for m in rendered if m["kind"] == "NetworkPolicy"], list(_pods(rendered))
        return {(p.name, n) for p in pods for n in PORTS if allowed(policies, OURS, KEDA, p, n)} - FOR_ALL

    on = "estoque.autoscaling.keda.enabled=true"
    assert reached() == set()
    assert reached(on) == {("rabbitmq", 5671), ("rabbitmq", 5672)}
    assert reached(on, "estoque.networkPolicy.keda[0].podSelector.matchLabels.app=other") == set()


def test_keda_has_no_access_where_the_broker_is_elsewhere(helm: Helm):
    on = ["estoque.autoscaling.keda.enabled=true", "estoque.networkPolicy.broker[0].ipBlock.cidr=10.0.0.0/24"]
    names = {m["metadata"]["name"] for m in helm.template("reserva-estoque", *on) if m["kind"] == "NetworkPolicy"}
    assert "estoque-keda" not in names


def test_other_pods_reach_the_gateway_and_nothing_else(policies: list[Manifest], pods: dict[str, Pod]):
    for stranger in (STRANGER, ELSEWHERE):
        reached = {(p.name, n) for p in pods.values() for n in PORTS if allowed(policies, OURS, stranger, p, n)}
        assert reached == FOR_ALL


def test_prometheus_reaches_what_it_scrapes(policies: list[Manifest], pods: dict[str, Pod]):
    reached = {(p.name, n) for p in pods.values() for n in PORTS if allowed(policies, OURS, PROMETHEUS, p, n)}
    assert reached == SCRAPED | FOR_ALL


def test_every_client_of_a_service_may_query_dns(policies: list[Manifest], pods: dict[str, Pod]):
    asking = {pod.name for pod in pods.values() if allowed(policies, OURS, pod, DNS, 53)}
    assert asking == {source for source, _, _ in ARROWS | TESTS}


def test_only_the_operator_reaches_the_kubernetes_api(policies: list[Manifest], pods: dict[str, Pod]):
    assert {pod.name for pod in pods.values() if allowed(policies, OURS, pod, API, 443)} == {"operator"}
