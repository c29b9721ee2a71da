"""Cells: several installations behind one gateway, as docs/cells.md describes them."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import envoy_here
import httpx
import libyaml
import pytest
from cluster.cells import CELLS, DOCUMENT, commands
from cluster.cells import table as documented_table
from cluster.document import script, section
from envoy_here import Service, serving, until
from helm import Helm, Manifest, RefusedError
from network_policies import Pod, allowed

from local_system.kube_binaries import VERSION
from local_system.ports import HOST, Ports

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("pedidos", "estoque")
PORTS = (53, 443, 5432, 5671, 5672, 6443, 8000, 8080, 9000, 9901, 9902, 15672, 15692)
NOT_NAMESPACED = re.compile("^(CustomResourceDefinition|Cluster.*|Mutating.*|Validating.*|PriorityClass|Namespace)$")


def installs(commands: str) -> Iterator[list[str]]:
    """The words of each `helm install` of a shell script, for each cell in turn."""
    for line in commands.replace("\\\n", " ").splitlines():
        for name in CELLS if "$cell" in line else [""]:
            words = shlex.split(line.strip().replace("$cell", name))
            if words[:2] == ["helm", "install"]:
                yield words[2:]


def sets_of(cell: str) -> list[str]:
    """The values with which the document installs a cell."""
    documented = script(section(DOCUMENT.read_text(), "Install two cells"))
    (words,) = [words for words in installs(documented) if words[:2] == [cell, "charts/reserva-estoque"]]
    return [value for option, value in pairwise(words) if option == "--set"]


def cell(helm: Helm, name: str, *more: str) -> list[Manifest]:
    return [
        *helm.template("data-stores", release="data-stores", namespace=name),
        *helm.template("reserva-estoque", *sets_of(name), *more, release=name, namespace=name),
    ]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gateway.yaml, as the document has it."""
    file = tmp_path_factory.mktemp("cells") / "gateway.yaml"
    file.write_text(libyaml.dump(documented_table()))
    return file


@pytest.fixture(scope="module")
def gateway(helm: Helm, table: Path) -> list[Manifest]:
    return helm.template("gateway", release="gateway", namespace="gateway", values=table)


@pytest.fixture(scope="module")
def cells(helm: Helm) -> dict[str, list[Manifest]]:
    return {name: cell(helm, name) for name in CELLS}


def config(manifests: list[Manifest]) -> dict[str, Any]:
    (data,) = [m["data"] for m in manifests if (m["kind"], m["metadata"]["name"]) == ("ConfigMap", "gateway")]
    parsed: dict[str, Any] = libyaml.load(data["envoy.yaml"])
    return parsed


def manager(envoy: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return found


def clusters(envoy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in envoy["static_resources"]["clusters"]}


def address(cluster: dict[str, Any]) -> str:
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    socket = endpoint["endpoint"]["address"]["socket_address"]
    return f"{socket['address']}:{socket['port_value']}"


def test_the_helm_commands_that_the_cluster_tests_take_from_the_document_render_each_cell(helm: Helm, table: Path):
    """tests/e2e/test_cells.py needs a cluster; the values that it installs with are rendered here."""
    rendered = {}
    for release, chart, *options in installs(commands("tag-1", table)):
        rendering = options[: options.index("--wait")] if "--wait" in options else options
        rendering = [str(ROOT / word) if word.endswith(".yaml") else word for word in rendering]
        manifests = helm("template", release, str(ROOT / chart), *rendering, "--kube-version", VERSION)
        namespace = options[options.index("--namespace") + 1]
        rendered[namespace, release] = [m for m in libyaml.load_all(manifests) if m]
    assert rendered.keys() == {("gateway", "gateway")} | {(c, r) for c in CELLS for r in (c, "data-stores")}
    (service,) = [m for m in rendered["gateway", "gateway"] if m["kind"] == "Service"]
    assert service["spec"]["ports"][0]["nodePort"] == 30080
    for name in CELLS:
        deployments = {m["metadata"]["name"]: m["spec"] for m in rendered[name, name] if m["kind"] == "Deployment"}
        assert deployments.keys() == {"pedidos", "estoque", "operator", "conferir", "painel"}
        assert deployments["pedidos"]["replicas"] == deployments["estoque"]["replicas"] == 1
        images = {spec["template"]["spec"]["containers"][0]["image"] for spec in deployments.values()}
        assert images == {f"reservaestoque/{program}:tag-1" for program in deployments}


# Configuration


@pytest.mark.integration
@pytest.mark.parametrize("default", [True, False])
def test_envoy_accepts_the_table(helm: Helm, table: Path, tmp_path: Path, default: bool):
    sets = [f"defaultCell={str(default).lower()}"]
    envoy_here.validate(tmp_path, libyaml.dump(config(helm.template("gateway", *sets, values=table))))


def test_each_cell_has_the_routes_and_clusters_of_the_default_under_its_own_names(helm: Helm, table: Path):
    alone = config(helm.template("gateway"))
    both = config(helm.template("gateway", "defaultCell=true", values=table))
    (default,) = manager(alone)["route_config"]["virtual_hosts"]
    first, *hosts = manager(both)["route_config"]["virtual_hosts"]
    assert first == default
    assert [host["domains"] for host in hosts] == [
        ["norte.loja.example"],
        ["sul.loja.example", "*.sul.loja.example"],
    ]
    for name, host in zip(CELLS, hosts, strict=True):
        # The table names no panel for this cell.
        routes = [route for route in default["routes"] if route.get("route", {}).get("cluster") != "painel"]
        assert host["routes"] == [renamed(route, name) for route in routes]
        for original in [*SERVICES, *(f"{service}_streams" for service in SERVICES)]:
            mine, default_one = clusters(both)[f"{name}_{original}"], clusters(alone)[original]
            assert different(mine, default_one) == {"name", "load_assignment"}
            assert mine["load_assignment"]["cluster_name"] == mine["name"]
            assert address(mine) == f"{original.removesuffix('_streams')}.{name}.svc:8000"
    added = {f"{name}_{one}" for name in CELLS for one in clusters(alone) if one not in ("admin", "painel")}
    assert clusters(both).keys() == clusters(alone).keys() | added
    assert {r["route"]["cluster"] for h in hosts for r in h["routes"] if "route" in r} == added


def test_a_cell_with_a_panel_has_its_routes(helm: Helm, table: Path):
    panel = ["cells.norte.painel.host=painel.norte.svc", "cells.norte.painel.port=8000"]
    with_one = config(helm.template("gateway", *panel, values=table))
    paths = {
        host["name"]: [
            route["match"] for route in host["routes"] if "painel" in route.get("route", {}).get("cluster", "")
        ]
        for host in manager(with_one)["route_config"]["virtual_hosts"]
    }
    assert paths["cell_norte"] == [{"path": "/painel/sistema/eventos"}, {"path": "/"}, {"prefix": "/painel/"}]
    assert paths["cell_sul"] == []
    assert address(clusters(with_one)["norte_painel"]) == "painel.norte.svc:8000"


def test_a_gateway_without_a_panel_has_no_route_to_it(helm: Helm):
    without = config(helm.template("gateway", "upstreams.painel=null"))
    assert "painel" not in clusters(without)
    (host,) = manager(without)["route_config"]["virtual_hosts"]
    assert {"path": "/"} not in [route["match"] for route in host["routes"]]


def renamed(route: dict[str, Any], name: str) -> dict[str, Any]:
    if "route" not in route:
        return route
    return {**route, "route": {**route["route"], "cluster": f"{name}_{route['route']['cluster']}"}}


def different(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_without_a_default_cell_its_host_and_clusters_are_gone(gateway: list[Manifest]):
    hosts = manager(config(gateway))["route_config"]["virtual_hosts"]
    [routes] = [host["routes"] for host in hosts if "*" in host["domains"]]
    assert [route["direct_response"]["status"] for route in routes] == [403, 404], "CONNECT, and everything else"
    assert not {"pedidos", "estoque", "pedidos_streams", "estoque_streams"} & clusters(config(gateway)).keys()


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            ["cells.leste.hosts[0]=sul.loja.example"],
            "sul.loja.example is in cells.leste.hosts and in cells.sul.hosts",
        ),
        (["cells.leste.hosts[0]=leste.example", "cells.leste.hosts[1]=leste.example"], "leste.example is in"),
        (
            ["hosts[0]=loja.example", "hosts[1]=loja.example", "defaultCell=true"],
            "loja.example is in hosts and in hosts",
        ),
        (["hosts[0]=norte.loja.example", "defaultCell=true"], "is in hosts and in cells.norte.hosts"),
        (
            ["cells.leste.hosts[0]=gateway", "hosts[0]=loja.example", "defaultCell=true"],
            "gateway is in the names of the Service and in cells.leste.hosts",
        ),
        (["cells.leste.hosts[0]=leste.example:8080"], "does not match pattern"),
        (["cells.leste.hosts[0]=*"], "does not match pattern"),
        (["cells.leste.hosts=null"], "hosts"),
        (["cells.leste_1.hosts[0]=leste.example"], "leste_1"),
        (["cells.leste.hosts[0]=leste.example", "cells.leste.pedidos.host=pedidos.leste.example"], "leste.peers"),
        (["cells=null"], "no request could be routed"),
        (["hosts[0]=loja.example"], "hosts names the hosts of the default cell, but defaultCell is false"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_table_that_envoy_would_refuse_is_refused_by_helm(helm: Helm, table: Path, sets: list[str], said: str):
    name = sets[0].split(".")[1] if sets[0].startswith("cells.") else ""
    leste = (
        [f"cells.{name}.{s}.{key}" for s in SERVICES for key in (f"host={s}.leste.svc", "port=8000")] if name else []
    )
    with pytest.raises(RefusedError, match=re.escape(said)):
        helm.text("gateway", *leste, *sets, values=table)


def test_helm_test_of_the_gateway_sends_a_request_to_every_host(helm: Helm, table: Path):
    hosts = ["norte.loja.example", "sul.loja.example", "*.sul.loja.example"]
    for default, asked in ((False, hosts), (True, ["gateway", *hosts])):
        rendered = helm.template("gateway", f"defaultCell={str(default).lower()}", values=table)
        (pod,) = [m for m in rendered if (m["kind"], m["metadata"]["name"]) == ("Pod", "gateway-test")]
        *_, script, _, port = pod["spec"]["containers"][0]["command"][: -len(asked)]
        assert (port, pod["spec"]["containers"][0]["command"][-len(asked) :]) == ("80", asked)
        assert "Host: %s" in script


# A real Envoy


@dataclass
class Shared:
    client: httpx.Client
    services: dict[str, Service]
    log: Path
    folder: Path

    def get(self, host: str, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={"Host": host, **headers})


def here(helm: Helm, table: Path, services: dict[str, Service]) -> str:
    """The rendered configuration for services on this machine, on free ports."""
    sets = []
    for name, one in services.items():
        cell_name, service = name.split("/")
        sets += [f"cells.{cell_name}.{service}.host={HOST}", f"cells.{cell_name}.{service}.port={one.port}"]
    envoy = config(helm.template("gateway", "networkPolicy.enabled=false", *sets, values=table))
    ports = Ports.free()
    ingress, operations = envoy["static_resources"]["listeners"]
    for listener, port in (
        (ingress, ports.gateway),
        (operations, ports.pedidos),
        (envoy["admin"], ports.gateway_admin),
    ):
        if listener is envoy["admin"]:
            listener["address"]["socket_address"]["port_value"] = port
        else:
            listener["address"]["socket_address"] = {"address": HOST, "port_value": port}
    return libyaml.dump(envoy)


@pytest.fixture(scope="module")
def envoy(helm: Helm, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("envoy")
    with ExitStack() as stack:
        names = [f"{name}/{service}" for name in CELLS for service in SERVICES]
        services = {name: stack.enter_context(serving(name)) for name in names}
        client, log = stack.enter_context(envoy_here.running(folder, here(helm, table, services)))
        until(lambda: envoy_here.started(folder, patience=600))
        yield Shared(client, services, log, folder)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("norte.loja.example", "norte"),
        ("norte.loja.example:8080", "norte"),
        ("NORTE.loja.example", "norte"),
        ("sul.loja.example", "sul"),
        ("sul.loja.example:443", "sul"),
        ("livros.sul.loja.example", "sul"),
        ("livros.sul.loja.example:80", "sul"),
    ],
)
def test_each_host_reaches_its_own_cell(envoy: Shared, host: str, name: str):
    for path, service in {
        "/pedidos/0190": "pedidos",
        "/estoque/UM": "estoque",
        "/pedidos/eventos": "pedidos",
        "/estoque/eventos": "estoque",
        "/schema/pedidos": "pedidos",
    }.items():
        before = {key: len(one.seen) for key, one in envoy.services.items()}
        assert envoy.get(host, path).text == f"{name}/{service} GET {path}"
        reached = {key for key, one in envoy.services.items() if len(one.seen) > before[key]}
        assert reached == {f"{name}/{service}"}


@pytest.mark.integration
@pytest.mark.parametrize(
    "host", ["leste.loja.example", "loja.example", "a.norte.loja.example", "norte.loja.example.br"]
)
def test_an_unknown_host_is_not_found(envoy: Shared, host: str):
    before = {key: len(one.seen) for key, one in envoy.services.items()}
    answer = envoy.get(host, "/pedidos/0190")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["type"].endswith("/nao-encontrado")
    assert answer.headers["cache-control"] == "no-store"
    assert {key: len(one.seen) for key, one in envoy.services.items()} == before


@pytest.mark.integration
def test_the_log_names_the_cell(envoy: Shared):
    asked = {
        "norte.loja.example": "/estoque/LOG-1",
        "sul.loja.example:81": "/estoque/LOG-2",
        "x.example": "/estoque/LOG-3",
    }
    for host, path in asked.items():
        envoy.get(host, path)
    until(lambda: all(path in envoy.log.read_text() for path in asked.values()))
    lines = [json.loads(line) for line in envoy.log.read_text().splitlines() if "/estoque/LOG-" in line]
    assert {line["host"]: line.get("cell") for line in lines} == {
        "norte.loja.example": "norte",
        "sul.loja.example:81": "sul",
        "x.example": None,
    }


@pytest.mark.integration
def test_a_gateway_has_started_when_all_cells_have_answered(helm: Helm, table: Path, tmp_path: Path):
    with ExitStack() as stack:
        late = "sul/estoque"
        names = [f"{name}/{service}" for name in CELLS for service in SERVICES]
        services = {name: stack.enter_context(serving(name, late=name == late)) for name in names}
        client, _ = stack.enter_context(envoy_here.running(tmp_path, here(helm, table, services)))
        until(lambda: client.get("/estoque/UM", headers={"Host": "norte.loja.example"}).status_code == 200)
        assert not envoy_here.started(tmp_path, patience=600)
        services[late].begin()
        until(lambda: envoy_here.started(tmp_path, patience=600))


@pytest.mark.integration
def test_an_outage_of_one_cell_does_not_affect_the_other(envoy: Shared):
    envoy.services["norte/pedidos"].answer = lambda handler: handler.reply(503, "")
    try:
        for _ in range(20):
            assert envoy.get("norte.loja.example", "/pedidos/0190").status_code == 503
            assert envoy.get("sul.loja.example", "/pedidos/0190").status_code == 200
    finally:
        envoy.services["norte/pedidos"].answer = None


# Two cells in one Kubernetes cluster


def cluster_wide(manifests: list[Manifest]) -> set[str]:
    return {f"{m['kind']}/{m['metadata']['name']}" for m in manifests if NOT_NAMESPACED.match(m["kind"])}


def test_a_cell_installs_nothing_outside_its_namespace(cells: dict[str, list[Manifest]]):
    for name, manifests in cells.items():
        assert cluster_wide(manifests) == set()
        assert {m["metadata"].get("namespace", name) for m in manifests} == {name}


def test_only_the_definition_of_stockitem_is_shared_by_two_installations_with_default_values(helm: Helm):
    norte, sul = (cluster_wide(helm.template("reserva-estoque", release="loja", namespace=name)) for name in CELLS)
    assert norte & sul == {"CustomResourceDefinition/stockitems.reservaestoque.dev"}
    assert len(norte) > 3


def test_each_operator_manages_the_stockitems_of_its_own_cell(cells: dict[str, list[Manifest]]):
    for name, manifests in cells.items():
        (deployment,) = [m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["name"] == "operator"]
        env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert env["NAMESPACE"] == name
        (binding,) = [m for m in manifests if m["kind"] == "RoleBinding"]
        assert (binding["metadata"]["namespace"], binding["subjects"][0]["namespace"]) == (name, name)


def test_a_cell_has_no_gateway_and_no_test_that_needs_one(cells: dict[str, list[Manifest]]):
    for manifests in cells.values():
        assert "gateway" not in {m["metadata"]["labels"]["app.kubernetes.io/name"] for m in manifests}
        names = {m["metadata"]["name"] for m in manifests if m["kind"] == "Pod"}
        assert names == {"pedidos-test", "estoque-test", "operator-test", "conferir-test", "painel-test"}


def test_helm_test_places_an_order_only_where_the_gateway_has_a_default_cell(helm: Helm):
    """`helm test` of an installation whose gateway has no default cell."""

    def tests(*sets: str) -> set[str]:
        return {m["metadata"]["name"] for m in helm.template("reserva-estoque", *sets) if m["kind"] == "Pod"}

    sul = [f"gateway.cells.sul.{s}.{key}" for s in SERVICES for key in (f"host={s}.sul.svc", "port=8000")]
    without = tests("gateway.defaultCell=false", "gateway.cells.sul.hosts[0]=sul.loja.example", *sul)
    assert tests() - without == {"pedido-test"}


def pods(manifests: list[Manifest], namespace: str) -> Iterator[Pod]:
    """The pods that run; those of migrations and of `helm test` are the same as without cells (test_arrows.py)."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            yield Pod(labels["app.kubernetes.io/name"], tuple(labels.items()), namespace)


def arrows(installed: dict[str, list[Manifest]]) -> set[str]:
    """The connections that the policies of both ends' namespaces allow, except those within one cell."""
    policies = {name: [m for m in one if m["kind"] == "NetworkPolicy"] for name, one in installed.items()}
    running = [pod for name, manifests in installed.items() for pod in pods(manifests, name)]

    def permitted(source: Pod, target: Pod, port: int) -> bool:
        return all(allowed(policies[one.namespace], one.namespace, source, target, port) for one in (source, target))

    return {
        f"{source.namespace}/{source.name} {target.namespace}/{target.name} {port}"
        for source in running
        for target in running
        for port in PORTS
        if source.namespace != target.namespace and permitted(source, target, port)
    }


def test_the_gateway_reaches_pedidos_and_estoque_of_each_cell_and_no_cell_reaches_another(
    gateway: list[Manifest], cells: dict[str, list[Manifest]]
):
    found = arrows({"gateway": gateway, **cells})
    assert found == {f"gateway/gateway {name}/{service} 8000" for name in CELLS for service in SERVICES}


def test_a_cell_that_does_not_name_the_gateway_s_namespace_is_closed_to_it(
    helm: Helm, gateway: list[Manifest], cells: dict[str, list[Manifest]]
):
    sul = cell(helm, "sul", "global.gatewayNamespaces[0]=other")
    found = arrows({"gateway": gateway, "norte": cells["norte"], "sul": sul})
    assert found == {f"gateway/gateway norte/{service} 8000" for service in SERVICES}


def test_an_installation_with_a_gateway_of_its_own_can_serve_other_cells(
    helm: Helm, cells: dict[str, list[Manifest]]
):
    """The gateway's own namespace stays its default cell."""
    sets = [f"gateway.cells.sul.{s}.{key}" for s in SERVICES for key in (f"host={s}.sul.svc", "port=8000")]
    first = helm.template("reserva-estoque", "gateway.cells.sul.hosts[0]=sul.loja.example", *sets, namespace="first")
    sul = cell(helm, "sul", "global.gatewayNamespaces[0]=first")
    found = arrows({"first": first, "norte": cells["norte"], "sul": sul})
    assert found == {f"first/gateway sul/{service} 8000" for service in SERVICES}
    policies = [m for m in first if m["kind"] == "NetworkPolicy"]
    own = {pod.name: pod for pod in pods(first, "first")}
    for service in SERVICES:
        assert allowed(policies, "first", own["gateway"], own[service], 8000)


def test_the_gateway_may_connect_to_the_addresses_of_a_cell_outside_the_cluster(helm: Helm, table: Path):
    sets = [f"cells.sul.{service}.host={service}.sul.example" for service in SERVICES]
    rendered = helm.template("gateway", *sets, "cells.sul.peers[0].ipBlock.cidr=10.9.0.0/16", values=table)
    (policy,) = [m for m in rendered if (m["kind"], m["metadata"]["name"]) == ("NetworkPolicy", "gateway")]
    to = [rule["to"] for rule in policy["spec"]["egress"]]
    assert to.count([{"ipBlock": {"cidr": "10.9.0.0/16"}}]) == 2
