"""The production manifests agree with the programs, the charts and the data stores for development."""

import json
import re
from pathlib import Path
from typing import Any

import libyaml
import pytest
from chart_values import CHARTS
from helm import LOGIN, Helm, Manifest, RefusedError

from local_system.postgres import GUESTS
from local_system.rabbitmq import PERMISSIONS
from reservaestoque.bus.topology import QUEUES, Exchange

PRODUCTION = CHARTS.parent / "k8s/production"


def load(name: str) -> list[Manifest]:
    return list(libyaml.load_all((PRODUCTION / name).read_text()))


def specs(name: str, kind: str) -> list[dict[str, Any]]:
    return [manifest["spec"] for manifest in load(name) if manifest["kind"] == kind]


def test_queues_are_declared_as_the_programs_declare_them():
    declared = {
        spec["name"]: {"x-queue-type": spec["type"], **spec["arguments"]} for spec in specs("rabbitmq.yaml", "Queue")
    }
    wanted = {queue.name: queue.arguments for queue in QUEUES}
    wanted |= {queue.dead_letters: queue.dead_letter_arguments for queue in QUEUES}
    assert declared == wanted


def test_exchanges_and_bindings_are_declared_as_the_programs_declare_them():
    exchanges = {(spec["name"], spec["type"], spec["durable"]) for spec in specs("rabbitmq.yaml", "Exchange")}
    assert exchanges == {(exchange.value, "topic", True) for exchange in Exchange}
    bindings = {(s["source"], s["routingKey"], s["destination"]) for s in specs("rabbitmq.yaml", "Binding")}
    assert bindings == {(queue.exchange.value, kind, queue.name) for queue in QUEUES for kind in queue.types}


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_roles_are_those_that_the_migrations_ask_for(database: str):
    (cluster,) = specs(f"{database}-db.yaml", "Cluster")
    guests = list(GUESTS[database])
    assert [role["name"] for role in cluster["managed"]["roles"]] == guests
    initdb = cluster["bootstrap"]["initdb"]
    assert (initdb["database"], initdb["owner"]) == (database, database)
    assert initdb["postInitSQL"] == [f"create role {guest} login" for guest in guests]
    assert initdb["postInitApplicationSQL"][1:] == [f"grant connect on database {database} to {g}" for g in guests]


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_data_stores_for_development_have_the_same_roles(helm: Helm, database: str):
    sql = next(
        manifest["data"]["roles.sql"]
        for manifest in helm.template("data-stores", release="data-stores")
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == f"{database}-db"
    )
    for role in (database, *GUESTS[database]):
        assert f"create role {role} login" in sql


def test_services_have_the_same_permissions_as_on_the_broker_for_development(helm: Helm):
    assert {user["importCredentialsSecret"]["name"] for user in specs("rabbitmq.yaml", "User")} == {
        f"rabbitmq-{service}" for service in PERMISSIONS
    }
    granted = {spec["userReference"]["name"]: spec["permissions"] for spec in specs("rabbitmq.yaml", "Permission")}
    assert granted == PERMISSIONS

    (secret,) = [
        m["stringData"]
        for m in helm.template("data-stores", release="data-stores")
        if m["kind"] == "Secret" and m["metadata"]["name"] == "rabbitmq"
    ]
    definitions = json.loads(secret["definitions.json"])
    rights = {entry.pop("user"): entry for entry in definitions["permissions"]}
    assert {entry.pop("vhost") for entry in rights.values()} == {"reservaestoque"}
    assert rights == {**PERMISSIONS, "reserva": dict.fromkeys(("configure", "write", "read"), ".*")}
    users = {user["name"]: user for user in definitions["users"]}
    assert {name for name, user in users.items() if user["tags"]} == {"reserva"}
    for service in PERMISSIONS:
        assert users[service]["password"] == secret[f"{service}-password"]


def test_the_system_s_values_name_secrets_that_exist():
    document = (CHARTS.parent / "docs/production.md").read_text()
    values = libyaml.load((PRODUCTION / "values.yaml").read_text())
    parts = [value for part in values.values() for value in part.values() if isinstance(value, dict)]
    references = [part for part in parts if "existingSecret" in part]
    references += [values[service]["migrations"]["database"] for service in ("pedidos", "estoque")]
    assert len(references) == 9
    for reference in references:
        if reference["key"] == "url" and not reference["existingSecret"].startswith("rabbitmq-"):
            database = "-".join(reference["existingSecret"].split("-")[:2])
            assert reference["ca"] == {"secret": f"{database}-ca"}  # CloudNativePG's own as well
    for reference in references:
        if reference["key"] == "uri":  # CloudNativePG's own
            assert (PRODUCTION / f"{reference['existingSecret'].removesuffix('-app')}.yaml").exists()
        else:
            assert re.search(rf"# .*\b{reference['existingSecret']}\b", document)


def test_policies_admit_the_same_clients_as_those_for_development(helm: Helm):
    def callers(policies: list[Manifest], port: int) -> dict[str, set[str]]:
        return {
            policy["metadata"]["name"]: set(term["values"])
            for policy in policies
            for rule in policy["spec"]["ingress"]
            if {"protocol": "TCP", "port": port} in rule.get("ports", [])
            for term in rule["from"][0]["podSelector"]["matchExpressions"]
            if term["key"] == "app.kubernetes.io/name"
        }

    here = [m for m in helm.template("data-stores", release="data-stores") if m["kind"] == "NetworkPolicy"]
    for port in (5432, 5672):
        assert callers(here, port) == callers(load("network-policies.yaml"), port) != {}
    assert callers(load("network-policies.yaml"), 5671) == callers(load("network-policies.yaml"), 5672)


def test_every_file_is_named_in_the_document():
    document = (CHARTS.parent / "docs/production.md").read_text()
    for file in Path(PRODUCTION).glob("*.yaml"):
        assert file.name in document


def test_both_databases_are_restored_to_the_same_instant_and_start_new_archives():
    patches = [libyaml.load(p["patch"]) for p in load("../restore/kustomization.yaml")[0]["patches"]]
    values = [{operation["path"]: operation["value"] for operation in patch} for patch in patches]
    assert len({v["/spec/bootstrap"]["recovery"]["recoveryTarget"]["targetTime"] for v in values}) == 1
    assert [v["/spec/bootstrap"]["recovery"]["database"] for v in values] == ["pedidos", "estoque"]
    for value in values:
        (before,) = value["/spec/externalClusters"]
        archive = before["plugin"]["parameters"]
        assert archive["serverName"] == archive["barmanObjectName"] != value["/spec/plugins/0/parameters/serverName"]


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_values_assume_as_many_connections_as_the_server_allows(database: str):
    (cluster,) = specs(f"{database}-db.yaml", "Cluster")
    values = libyaml.load((PRODUCTION / "values.yaml").read_text())
    assert (
        str(values[database]["database"]["maxConnections"]) == cluster["postgresql"]["parameters"]["max_connections"]
    )


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_values_for_development_assume_as_many_connections_as_the_server_allows(helm: Helm, database: str):
    values = libyaml.load((CHARTS / database / "values.yaml").read_text())
    (server,) = [
        manifest["spec"]["template"]["spec"]["containers"][0]
        for manifest in helm.template("data-stores", release="data-stores")
        if manifest["kind"] == "StatefulSet" and manifest["metadata"]["name"] == f"{database}-db"
    ]
    assert f"max_connections={values['database']['maxConnections']}" in server["args"]


def test_broker_nodes_terminate_within_minutes_whatever_they_wait_for():
    (cluster,) = specs("rabbitmq.yaml", "RabbitmqCluster")
    assert 60 <= cluster["terminationGracePeriodSeconds"] <= 900


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_manual_commands_use_the_archives_of_the_manifests(database: str):
    document = (CHARTS.parent / "docs/production.md").read_text()
    [store] = specs(f"{database}-db.yaml", "ObjectStore")
    assert store["configuration"]["wal"] == {"compression": "gzip"}
    folder = store["configuration"]["destinationPath"].replace(f"/{database}-db", "/$db-db")
    commands = re.findall(r"barman-cloud-(?:backup|restore|wal-archive|wal-restore) .*?(s3://\S+) (\S+)", document)
    assert {where for where, _ in commands} == {folder}
    assert {server for _, server in commands} == {"$db-db", "$db-db-2"}
    assert document.count("barman-cloud-wal-archive --gzip") == 2


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_servers_run_on_different_nodes_always_and_in_different_zones_if_possible(database: str):
    (cluster,) = specs(f"{database}-db.yaml", "Cluster")
    assert cluster["affinity"]["topologyKey"] == "kubernetes.io/hostname"
    assert cluster["affinity"]["podAntiAffinityType"] == "required"
    (zones,) = cluster["topologySpreadConstraints"]
    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "ScheduleAnyway")
    assert zones["labelSelector"]["matchLabels"] == {"cnpg.io/cluster": f"{database}-db"}


def test_pods_of_a_service_are_spread_evenly_over_the_nodes(helm: Helm):
    rendered = list(libyaml.load_all(helm.text("reserva-estoque", *LOGIN, values=PRODUCTION / "values.yaml")))
    for name in ("pedidos", "estoque", "gateway"):
        (pod,) = (
            m["spec"]["template"]
            for m in rendered
            if m and m["kind"] == "Deployment" and m["metadata"]["name"] == name
        )
        node, zone = pod["spec"]["topologySpreadConstraints"]
        assert (node["topologyKey"], node["maxSkew"]) == ("kubernetes.io/hostname", 1)
        assert node["whenUnsatisfiable"] == "DoNotSchedule"
        assert node["nodeTaintsPolicy"] == "Honor"  # a lost or drained node is not waited for
        assert zone["topologyKey"] == "topology.kubernetes.io/zone"
        for constraint in (node, zone):
            assert constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            assert constraint["matchLabelKeys"] == ["pod-template-hash"]


NODE_LOST_SECONDS = 55
"""Kubernetes' default --node-monitor-grace-period and the 5 s between two checks of it."""


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_commits_and_fail_over_need_a_quorum_and_standbys_outlast_the_loss_of_a_node(database: str):
    (manifest,) = (m for m in load(f"{database}-db.yaml") if m["kind"] == "Cluster")
    assert manifest["metadata"]["annotations"]["alpha.cnpg.io/failoverQuorum"] == "true"
    cluster, postgresql = manifest["spec"], manifest["spec"]["postgresql"]
    assert postgresql["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    assert cluster["instances"] == 3
    timeout = postgresql["parameters"]["wal_receiver_timeout"]
    assert int(timeout.removesuffix("s")) >= NODE_LOST_SECONDS
    assert cluster["probes"]["liveness"]["isolationCheck"]["enabled"] is True


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_a_server_that_stops_does_not_wait_for_its_clients(database: str):
    (cluster,) = specs(f"{database}-db.yaml", "Cluster")
    assert cluster["smartShutdownTimeout"] == 0
    assert 15 <= cluster["stopDelay"] <= 120


def test_brokers_are_as_restricted_as_their_namespace_requires():
    namespace = libyaml.load((CHARTS.parent / "k8s/namespace.yaml").read_text())
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (broker,) = specs("rabbitmq.yaml", "RabbitmqCluster")
    pod = broker["override"]["statefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    containers = {c["name"]: c["securityContext"] for c in (*pod["initContainers"], *pod["containers"])}
    assert set(containers) == {"setup-container", "rabbitmq"}
    for context in containers.values():
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_brokers_notice_a_lost_node_before_the_databases_are_back():
    (broker,) = specs("rabbitmq.yaml", "RabbitmqCluster")
    (seconds,) = re.findall(r"\{net_ticktime, (\d+)\}", broker["rabbitmq"]["advancedConfig"])
    assert int(seconds) * 1.25 <= 20


def gateway_config(helm: Helm, *sets: str, values: str = "values.yaml") -> dict[str, Any]:
    rendered = libyaml.load_all(helm.text("reserva-estoque", *LOGIN, *sets, values=PRODUCTION / values))
    (data,) = [m["data"] for m in rendered if m and (m["kind"], m["metadata"]["name"]) == ("ConfigMap", "gateway")]
    found: dict[str, Any] = libyaml.load(data["envoy.yaml"])
    return found


def test_identity_limits_and_tls_are_on_and_the_login_must_be_named(helm: Helm):
    listener = gateway_config(helm)["static_resources"]["listeners"][0]
    filters = {f["name"] for f in listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]}
    assert {"envoy.filters.http.jwt_authn", "envoy.filters.http.local_ratelimit"} <= filters
    assert "transport_socket" in listener["filter_chains"][0]
    with pytest.raises(RefusedError, match=r"gateway\.jwt\.issuers names no issuer"):
        helm.text("reserva-estoque", values=PRODUCTION / "values.yaml")


def test_a_flash_sale_lowers_each_customer_s_limits_and_tracks_more_customers(helm: Helm):
    values = libyaml.load((PRODUCTION / "flash-sale.yaml").read_text())
    usual = libyaml.load((CHARTS / "gateway/values.yaml").read_text())["limits"]
    for kind in ("reads", "writes", "streams"):
        assert values["gateway"]["limits"][kind]["burst"] < usual[kind]["burst"]
        assert values["gateway"]["limits"][kind]["perSecond"] <= usual[kind]["perSecond"]
    sets = [
        f"gateway.limits.{k}.{n}={v}"
        for k, r in values["gateway"]["limits"].items()
        if isinstance(r, dict)
        for n, v in r.items()
    ]
    envoy = gateway_config(helm, *sets, f"gateway.limits.clients={values['gateway']['limits']['clients']}")
    manager = envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    limits = manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"][
        "envoy.filters.http.local_ratelimit"
    ]
    assert limits["max_dynamic_descriptors"] == values["gateway"]["limits"]["clients"]
    assert helm.text("reserva-estoque", *LOGIN, values=PRODUCTION / "flash-sale.yaml")
