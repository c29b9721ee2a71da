"""Values with which all pods could open more connections than a database takes are refused."""

import re
from typing import Any

import libyaml
import pytest
from chart_values import CHARTS
from helm import LOGIN, Helm, Manifest, RefusedError

import conferir.app
import estoque.app
import operador.app
import pedidos.app

DOCUMENT = CHARTS.parent / "docs/operations.md"
PRODUCTION = CHARTS.parent / "k8s/production/values.yaml"
EACH = {
    "pedidos": pedidos.app.CONNECTIONS,
    "estoque": estoque.app.CONNECTIONS,
    "operator": operador.app.CONNECTIONS,
    "conferir": conferir.app.CONNECTIONS,
}


def said(helm: Helm, *sets: str, chart: str = "reserva-estoque", **options: Any) -> str:
    """Helm's message when it refuses these values."""
    with pytest.raises(RefusedError) as refused:
        helm.text(chart, *(LOGIN if chart == "reserva-estoque" else ()), *sets, **options)
    return str(refused.value)


def pods_at_once(deployment: Manifest, replicas: int) -> int:
    """Maximum number of pods by Kubernetes' rules: terminating pods do not count for maxSurge, and end in time."""
    spec = deployment["spec"]
    surge = spec["strategy"]["rollingUpdate"]["maxSurge"]
    grace = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    pace = spec.get("minReadySeconds") or 1
    return int(replicas + surge + min(replicas - 1, -(-grace // pace)))


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
@pytest.mark.parametrize("values", [None, PRODUCTION], ids=["defaults", "production"])
def test_the_sum_covers_the_largest_possible_number_of_pods(helm: Helm, service: str, values: Any):
    refusal = said(helm, f"{service}.database.maxConnections=1", values=values)
    rendered = [m for m in libyaml.load_all(helm.text("reserva-estoque", *LOGIN, values=values)) if m]
    deployments = {m["metadata"]["name"]: m for m in rendered if m["kind"] == "Deployment"}
    (most,) = [
        m["spec"]["maxReplicas"]
        for m in rendered
        if m["kind"] == "HorizontalPodAutoscaler" and m["metadata"]["name"] == service
    ]
    replicas = {service: most, "conferir": 1, **({"operator": 1} if service == "estoque" else {})}
    clients = {name: pods_at_once(deployments[name], count) for name, count in replicas.items()}
    for name, pods in clients.items():
        assert f"{pods} pods of {name} at once, {EACH[name]} each: {pods * EACH[name]}" in refusal
    migrations = int(re.search(r"the Job of the migrations: (\d+)", refusal)[1])  # type: ignore[index]
    others = int(re.search(r"otherConnections\): (\d+)", refusal)[1])  # type: ignore[index]
    total = sum(pods * EACH[name] for name, pods in clients.items()) + EACH["conferir"] + migrations + others
    assert f"{service}.database.maxConnections is 1, but its clients may open {total} connections" in refusal

    helm.text("reserva-estoque", *LOGIN, f"{service}.database.maxConnections={total}", values=values)
    assert str(total) in said(helm, f"{service}.database.maxConnections={total - 1}", values=values)


@pytest.mark.parametrize(
    "sets",
    [
        ["pedidos.autoscaling.maxReplicas=20"],
        ["estoque.autoscaling.maxReplicas=20"],
        ["estoque.autoscaling.maxReplicas=20", "estoque.autoscaling.keda.enabled=true"],
        ["pedidos.autoscaling.enabled=false", "pedidos.replicas=20"],
        ["operator.replicas=20"],
        ["conferir.replicas=50"],
        ["pedidos.preStopSeconds=120"],
        ["pedidos.database.otherConnections=100"],
    ],
    ids=" ".join,
)
def test_more_connections_than_the_server_allows_are_refused(helm: Helm, sets: list[str]):
    assert "connections (" in said(helm, *sets)


@pytest.mark.parametrize(
    "sets",
    [
        ["pedidos.autoscaling.maxReplicas=20", "pedidos.database.maxConnections=500"],
        ["conferir.replicas=50", "conferir.enabled=false"],
        ["operator.replicas=20", "operator.enabled=false"],
        ["pedidos.autoscaling.maxReplicas=20", "pedidos.autoscaling.enabled=false"],
    ],
    ids=" ".join,
)
def test_values_that_fit_or_are_of_disabled_parts_are_not_refused(helm: Helm, sets: list[str]):
    assert helm.text("reserva-estoque", *sets)


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
def test_a_service_installed_alone_counts_its_own_connections(helm: Helm, service: str):
    assert f"{service}.database.maxConnections" in said(helm, "autoscaling.maxReplicas=30", chart=service)
    assert helm.text(service)


@pytest.mark.parametrize(
    ("row", "values"),
    [("charts' defaults", None), ("`k8s/production`", PRODUCTION)],
    ids=["defaults", "production"],
)
def test_the_document_states_the_same_sums(helm: Helm, row: str, values: Any):
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {row}, ")]
    for service, cell in zip(("pedidos", "estoque"), line.split("|")[2:4], strict=True):
        terms, _, total = cell.partition("=")
        assert eval(terms.replace("\N{MULTIPLICATION SIGN}", "*")) == int(total)  # noqa: S307 - digits and signs
        refusal = said(helm, f"{service}.database.maxConnections=1", values=values)
        assert f"may open {int(total)} connections" in refusal
