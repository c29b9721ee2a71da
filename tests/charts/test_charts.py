"""The manifests that the charts render from their values."""

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import chart_values
import envoy_here
import libyaml
import pytest
import tools
from helm import NAMESPACE, Find, Helm, Manifest, RefusedError

from local_system import gateway
from local_system.kube_binaries import VERSION
from reservaestoque.program import GRACE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
CHARTS = chart_values.charts()
PROGRAMS = ("pedidos", "estoque", "operator", "conferir", "painel")
ENVOY = libyaml.load(
    gateway.render(
        gateway.TEMPLATE.read_text(),
        listen_port=8080,
        admin_port=9901,
        pedidos=[1],
        estoque=[2],
        painel=3,
        options=gateway.Options(compression=True),
    )
)


def named(manifests: list[Manifest]) -> set[str]:
    return {f"{m['kind']}/{m['metadata']['name']}" for m in manifests}


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for manifest in manifests:
        spec = (
            manifest["spec"]
            if manifest["kind"] == "Pod"
            else manifest.get("spec", {}).get("template", {}).get("spec")
        )
        if spec:
            yield f"{manifest['kind']}/{manifest['metadata']['name']}", spec


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, spec in pod_specs(manifests):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            yield f"{name}/{container['name']}", container


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_lint_passes(helm: Helm, chart: str):
    assert "1 chart(s) linted, 0 chart(s) failed" in helm(
        "lint", "--strict", "--kube-version", VERSION, str(chart_values.CHARTS / chart)
    )


# Values


@pytest.mark.parametrize("chart", CHARTS)
def test_values_and_schemas_are_those_that_make_charts_writes(chart: str):
    assert (chart_values.CHARTS / chart / "values.schema.json").read_text() == chart_values.text(chart)
    assert (chart_values.CHARTS / chart / "values.yaml").read_text() == chart_values.values(chart)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("pedidos.replicass=3", "replicass"),
        ("pedidos.settings.RESERVA_TTL=5s", "RESERVA_TTL"),
        ("estoque.settings.RESERVA_TTL=5s", "RESERVA_TTL"),
        ("global.settings.RESERVA_TTL=5", "RESERVA_TTL"),
        ("global.settings.RESERVA_TTL=5 minutes", "RESERVA_TTL"),
        ("global.settings.ORDER_RETENTION=720h", "ORDER_RETENTION"),
        ("estoque.settings.MAX_EVENTS=0", "MAX_EVENTS"),
        ("estoque.settings.DATABASE_URL=postgres://x", "DATABASE_URL"),
        ("estoque.autoscaling.keda.enable=true", "enable"),
        ("operator.image.digest=latest", "digest"),
        ("gateway.service.type=Headless", "type"),
        ("conferir.enable=false", "enable"),
        ("global.image.tags=1", "tags"),
        ("monitoring.rules=true", "rules"),
        ("pedido.replicas=3", "pedido"),
    ],
)
def test_unknown_values_are_refused_by_name(helm: Helm, wrong: str, said: str):
    with pytest.raises(RefusedError, match=said):
        helm.text("reserva-estoque", wrong)


def test_passwords_that_would_break_an_address_are_refused(helm: Helm):
    with pytest.raises(RefusedError, match="passwords/pedidos"):
        helm.text("data-stores", "passwords.pedidos=a@b")


@pytest.mark.parametrize("chart", ["common", *CHARTS])
def test_charts_have_the_version_of_the_programs(chart: str):
    version = re.search(r'^version = "(.+)"', (ROOT / "lib/pyproject.toml").read_text(), re.M)
    about = libyaml.load((chart_values.CHARTS / chart / "Chart.yaml").read_text())
    assert version
    assert {about["version"], about.get("appVersion", about["version"])} == {version[1]}
    assert {d["version"] for d in about.get("dependencies", [])} <= {version[1]}


def test_the_crd_that_the_umbrella_chart_announces_exists():
    about = libyaml.load((chart_values.CHARTS / "reserva-estoque/Chart.yaml").read_text())["annotations"]
    crd = libyaml.load((ROOT / "k8s/crd/stockitems.yaml").read_text())
    declared = libyaml.load(about["artifacthub.io/crds"])[0]
    assert (declared["name"], declared["kind"]) == (crd["metadata"]["name"], crd["spec"]["names"]["kind"])
    assert declared["version"] in {version["name"] for version in crd["spec"]["versions"]}


# Switches


@pytest.mark.parametrize(
    ("sets", "comes", "goes"),
    [
        (
            ["conferir.enabled=false"],
            set(),
            {"Deployment/conferir", "NetworkPolicy/conferir", "ServiceAccount/conferir"},
        ),
        (
            ["painel.enabled=false"],
            set(),
            {"Deployment/painel", "NetworkPolicy/painel", "ServiceAccount/painel", "Service/painel-gateway"},
        ),
        (
            ["operator.enabled=false"],
            set(),
            {"Deployment/operator", "CustomResourceDefinition/stockitems.reservaestoque.dev"},
        ),
        (["operator.crds.install=false"], set(), {"CustomResourceDefinition/stockitems.reservaestoque.dev"}),
        (
            ["operator.watchNamespace=loja-a"],
            {"Role/operator", "RoleBinding/operator"},
            {f"ClusterRole{b}/reservaestoque-operador-reserva-estoque" for b in ("", "Binding")},
        ),
        (
            ["operator.admission.enabled=false"],
            set(),
            {f"MutatingAdmissionPolicy{b}/reservaestoque-operador-reserva-estoque" for b in ("", "Binding")},
        ),
        (["operator.rbac.create=false"], set(), {"ClusterRole/reservaestoque-operador-reserva-estoque"}),
        (["pedidos.autoscaling.enabled=false"], set(), {"HorizontalPodAutoscaler/pedidos"}),
        (["gateway.autoscaling.enabled=true"], {"HorizontalPodAutoscaler/gateway"}, set()),
        (
            ["estoque.autoscaling.keda.enabled=true"],
            {"ScaledObject/estoque", "TriggerAuthentication/estoque"},
            {"HorizontalPodAutoscaler/estoque"},
        ),
        (["estoque.pdb.enabled=false"], set(), {"PodDisruptionBudget/estoque"}),
        (["global.podMonitor.enabled=true"], {f"PodMonitor/{part}" for part in (*PROGRAMS, "gateway")}, set()),
        (["pedidos.podMonitor.enabled=true"], {"PodMonitor/pedidos"}, set()),
        (["monitoring.rules.enabled=true"], {"PrometheusRule/reserva-estoque"}, set()),
        (["monitoring.dashboards.enabled=true"], {"ConfigMap/reserva-estoque-dashboards"}, set()),
        (["gateway.ingress.enabled=true"], {"Ingress/gateway"}, set()),
        (
            ["gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=entrance"],
            {"HTTPRoute/gateway"},
            set(),
        ),
        (
            ["networkPolicy.defaultDeny=false"],
            set(),
            {"NetworkPolicy/reserva-estoque-deny-all", "NetworkPolicy/reserva-estoque-test"},
        ),
        (["gateway.networkPolicy.enabled=false"], set(), {"NetworkPolicy/gateway", "NetworkPolicy/gateway-test"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_switch_adds_and_removes_these_objects(helm: Helm, sets: list[str], comes: set[str], goes: set[str]):
    before, after = named(helm.template("reserva-estoque")), named(helm.template("reserva-estoque", *sets))
    assert comes <= after - before
    assert goes <= before - after


@pytest.mark.parametrize("program", ["pedidos", "estoque"])
def test_migrations_can_be_run_by_others(helm: Helm, program: str):
    def jobs(*sets: str) -> set[str]:
        return {name for name in named(helm.template("reserva-estoque", *sets)) if name.startswith(f"Job/{program}-")}

    assert len(jobs()) == 1
    assert jobs(f"{program}.migrations.enabled=false") == set()


def test_an_image_can_be_named_by_digest_registry_and_tag(helm: Helm):
    digest = "sha256:" + "0123456789abcdef" * 4
    sets = ["global.image.registry=registry.example/a/", "global.image.tag=9755529", f"pedidos.image.digest={digest}"]
    images = {name: c["image"] for name, c in containers(helm.template("reserva-estoque", *sets))}
    assert images["Deployment/pedidos/pedidos"] == f"registry.example/a/reservaestoque/pedidos@{digest}"
    assert images["Deployment/estoque/estoque"] == "registry.example/a/reservaestoque/estoque:9755529"
    assert images["Deployment/gateway/envoy"].startswith("registry.example/a/envoyproxy/envoy:v1.")


@pytest.mark.parametrize(
    ("part", "containers_at_least"),
    [("pedidos", 4), ("estoque", 4), ("operator", 2), ("conferir", 2), ("gateway", 1), ("painel", 1)],
)
def test_a_digest_applies_to_every_container_of_a_part(helm: Helm, part: str, containers_at_least: int):
    """Migrations, containers that wait for them, and tests run the same image; no tag is left beside the digest."""
    digest = "sha256:" + "0123456789abcdef" * 4
    image = "envoyproxy/envoy" if part == "gateway" else f"reservaestoque/{part}"
    rendered = helm.template("reserva-estoque", f"{part}.image.digest={digest}", "global.image.tag=9755529")
    images = [c["image"] for _, c in containers(rendered) if image in c["image"]]
    assert len(images) >= containers_at_least
    assert set(images) == {f"{image}@{digest}"}


def test_a_new_image_makes_a_new_job_and_an_unchanged_one_does_not(helm: Helm):
    def job(*sets: str) -> str:
        return next(n for n in named(helm.template("reserva-estoque", *sets)) if n.startswith("Job/pedidos"))

    assert job() == job("pedidos.replicas=3", "gateway.replicas=3")
    assert job() != job("pedidos.image.tag=7")


def test_settings_reach_the_program_as_it_reads_them(helm: Helm):
    env = environment(helm, "estoque", "estoque.settings.INBOX_RETENTION=200h", "estoque.settings.MAX_EVENTS=100")
    assert (env["INBOX_RETENTION"], env["MAX_EVENTS"], env["PORT"]) == ("200h", "100", "8000")


AUTHORITIES = {
    "pedidos.database.ca.secret": "DATABASE_CA_FILE",
    "pedidos.broker.ca.configMap": "AMQP_CA_FILE",
    "estoque.database.ca.configMap": "DATABASE_CA_FILE",
    "estoque.broker.ca.secret": "AMQP_CA_FILE",
    "operator.database.ca.secret": "DATABASE_CA_FILE",
    "conferir.estoqueDatabase.ca.secret": "ESTOQUE_DATABASE_CA_FILE",
    "conferir.pedidosDatabase.ca.secret": "PEDIDOS_DATABASE_CA_FILE",
}


@pytest.mark.parametrize(("value", "variable"), AUTHORITIES.items(), ids=list(AUTHORITIES))
def test_an_authority_is_mounted_in_every_container_that_connects_to_its_server(
    helm: Helm, value: str, variable: str
):
    address = variable.replace("CA_FILE", "URL")
    checked = 0
    for name, spec in pod_specs(helm.template("reserva-estoque", f"{value}=ours")):
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            env = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
            concerned = address in env and name.split("/")[1].startswith(value.partition(".")[0])
            assert (variable in env) == concerned, name
            if concerned:
                folder, _, file = str(env[variable]).rpartition("/")
                (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == folder]
                assert mount["readOnly"]
                volume = volumes[mount["name"]]
                source = volume.get("secret", volume.get("configMap"))
                assert source[{"secret": "secretName", "configMap": "name"}[value.rpartition(".")[2]]] == "ours"
                assert source["items"] == [{"key": "ca.crt", "path": file}], (
                    "the authority's own key stays where it is"
                )
                checked += 1
    # Deployment, its init container and the Job; Deployment and `helm test`; a Deployment alone
    assert checked == {"database": 3, "broker": 1, "estoqueDatabase": 2, "pedidosDatabase": 2}[
        value.split(".")[1]
    ] - (2 if value.startswith("operator") else 0)


def test_an_authority_comes_from_one_place(helm: Helm):
    with pytest.raises(RefusedError, match="not both"):
        helm.text("pedidos", "broker.ca.secret=a", "broker.ca.configMap=b")


@pytest.mark.parametrize("kind", ["secret", "configMap"])
def test_keda_trusts_whom_estoque_trusts(helm: Helm, kind: str):
    rendered = helm.template("estoque", "autoscaling.keda.enabled=true", f"broker.ca.{kind}=ours")
    (trigger,) = [m["spec"] for m in rendered if m["kind"] == "TriggerAuthentication"]
    parameters = {
        parameter["parameter"]: (parameter["name"], parameter["key"])
        for parameter in [*trigger["secretTargetRef"], *trigger["configMapTargetRef"]]
    }
    assert parameters == {
        "host": ("rabbitmq", "estoque-url"),
        "ca": ("ours", "ca.crt"),
        "tls": ("estoque-keda", "tls"),
    }
    (switch,) = [m for m in rendered if m["kind"] == "ConfigMap"]
    assert (switch["metadata"]["name"], switch["data"]) == ("estoque-keda", {"tls": "enable"})


def test_the_broker_s_address_resolves_from_other_namespaces_too(helm: Helm):
    """KEDA's operator reads it."""
    (secret,) = [
        m["stringData"]
        for m in helm.template("data-stores", release="data-stores")
        if m["kind"] == "Secret" and m["metadata"]["name"] == "rabbitmq"
    ]
    for url in ("url", "pedidos-url", "estoque-url"):
        assert f"@rabbitmq.{NAMESPACE}.svc:5672/" in secret[url]
    document = (ROOT / "docs/production.md").read_text()
    assert "@rabbitmq.$ns.svc:5672/" in document


def environment(helm: Helm, program: str, *sets: str) -> dict[str, str | None]:
    container = dict(containers(helm.template("reserva-estoque", *sets)))[f"Deployment/{program}/{program}"]
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@pytest.mark.parametrize("name", chart_values.SHARED)
def test_settings_common_to_both_services_are_defined_once(helm: Helm, name: str):
    sets = [f"global.settings.{name.upper()}=72h"]
    values = {program: environment(helm, program, *sets).get(name.upper()) for program in PROGRAMS}
    assert values == {"pedidos": "72h", "estoque": "72h", "operator": None, "conferir": None, "painel": None}


def test_secrets_come_by_reference_only(everything: list[Manifest]):
    for name, container in containers(everything):
        for variable in container.get("env", []):
            if re.search("URL$|PASS", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], name


def test_the_data_stores_create_the_secrets_that_the_system_references(everything: list[Manifest]):
    made = {(m["metadata"]["name"], key) for m in everything if m["kind"] == "Secret" for key in m["stringData"]}
    used = {
        (ref["name"], ref["key"])
        for _, container in containers(everything)
        for variable in container.get("env", [])
        if (ref := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert len(used) > 8
    assert used <= made


def test_every_secret_gives_all_its_users_the_same_password(helm: Helm):
    for secret in (m for m in helm.template("data-stores", release="data-stores") if m["kind"] == "Secret"):
        data = secret["stringData"]
        for key in (key for key in data if key.endswith("url")):
            assert f":{data[key.replace('url', 'password')]}@" in data[key]


# Single definitions


def test_the_definition_of_stockitem_is_that_of_the_local_system(find: Find):
    (rendered,) = find("CustomResourceDefinition")
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert rendered["spec"] == libyaml.load((ROOT / "k8s/crd/stockitems.yaml").read_text())["spec"]


def test_the_operator_s_rights_are_those_of_the_local_system(find: Find):
    (rendered,) = find("ClusterRole")
    assert rendered["rules"] == libyaml.load((ROOT / "k8s/rbac/operador.yaml").read_text())["rules"]


def test_the_admission_policy_is_installed_unless_disabled_or_limited_to_a_namespace(find: Find, helm: Helm):
    (policy,), (binding,) = find("MutatingAdmissionPolicy"), find("MutatingAdmissionPolicyBinding")
    written = next(libyaml.load_all((ROOT / "k8s/admission/stockitems.yaml").read_text()))
    assert policy["spec"] == written["spec"]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    for without in ("operator.admission.enabled=false", "operator.watchNamespace=loja"):
        assert "MutatingAdmissionPolicy" not in {m["kind"] for m in helm.template("reserva-estoque", without)}


@pytest.fixture
def envoy(find: Find) -> str:
    return envoy_of(find("ConfigMap"))


def envoy_of(manifests: list[Manifest]) -> str:
    named_gateway = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == ("ConfigMap", "gateway")]
    (found,) = [m["data"]["envoy.yaml"] for m in named_gateway]
    return str(found)


def test_on_kind_unlisted_hosts_are_not_served_which_prevents_dns_rebinding(helm: Helm):
    rendered = envoy_of(helm.template("reserva-estoque", values=ROOT / "k8s/kind/values.yaml"))
    manager = libyaml.load(rendered)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    served, others = manager["typed_config"]["route_config"]["virtual_hosts"]
    assert {"localhost", "127.0.0.1", "gateway"} < set(served["domains"])
    assert (others["domains"], others["routes"][-1]["match"]) == (["*"], {"prefix": "/"})
    assert [route["direct_response"]["status"] for route in others["routes"]] == [403, 404], "CONNECT, and the rest"


def test_the_gateway_is_that_of_the_local_system_with_names_instead_of_addresses(helm: Helm):
    rendered = envoy_of(helm.template("reserva-estoque", "gateway.hosts[0]=localhost"))
    here, there = libyaml.load(rendered)["static_resources"], copy.deepcopy(ENVOY["static_resources"])
    assert [x["name"] for x in here["listeners"]] == ["ingress", "operations"]
    served, local_names = (
        one["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]
        for one in (here, there)
    )
    assert "localhost" in served.pop("domains")
    assert local_names.pop("domains") == list(gateway.HOSTS)
    assert here["listeners"][0]["filter_chains"] == there["listeners"][0]["filter_chains"]
    for mine, local in zip(here["clusters"], there["clusters"], strict=False):
        assert {k: v for k, v in mine.items() if k != "load_assignment"} == {
            k: v for k, v in local.items() if k != "load_assignment"
        }
        (endpoint,) = mine["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        assert address == {"address": mine["name"].removesuffix("_streams"), "port_value": 8000}
    assert {c["name"] for c in here["clusters"]} == {c["name"] for c in there["clusters"]} | {"admin"}


@pytest.mark.integration
def test_envoy_accepts_the_configuration(envoy: str, tmp_path: Path):
    envoy_here.validate(tmp_path, envoy)


# Starting and stopping


def test_a_terminating_pod_serves_for_longer_than_requests_may_be_routed_to_it(find: Find):
    refreshes = {c["cluster_type"]["typed_config"]["dns_refresh_rate"] for c in ENVOY["static_resources"]["clusters"]}
    slowest = max(float(refresh.rstrip("s")) for refresh in refreshes)
    specs = dict(pod_specs(find("Deployment")))
    for program in ("pedidos", "estoque"):
        spec = specs[f"Deployment/{program}"]
        notice = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert notice > 2 * slowest
        assert spec["terminationGracePeriodSeconds"] > notice + GRACE_SECONDS


def test_a_rollout_continues_only_when_every_envoy_has_found_the_new_pod(find: Find):
    clusters = ENVOY["static_resources"]["clusters"]
    refresh = max(float(c["cluster_type"]["typed_config"]["dns_refresh_rate"].rstrip("s")) for c in clusters)
    check = max(float(c["health_checks"][0][k].rstrip("s")) for c in clusters for k in ("interval", "timeout"))
    waits = {d["metadata"]["name"]: d["spec"].get("minReadySeconds", 0) for d in find("Deployment")}
    assert min(waits[called] for called in ("pedidos", "estoque", "gateway")) >= refresh + 2 * check
    assert not waits["operator"]


def test_a_terminating_gateway_waits_as_long_as_an_order_may_take(find: Find):
    routes = ENVOY["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"][
        "route_config"
    ]
    timeouts = [
        float(r["route"]["timeout"].rstrip("s")) for r in routes["virtual_hosts"][0]["routes"] if "route" in r
    ]
    spec = dict(pod_specs(find("Deployment")))["Deployment/gateway"]
    *_, notice, requests = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert int(requests) >= max(timeouts)
    assert spec["terminationGracePeriodSeconds"] > int(notice) + int(requests)


def test_new_replicas_are_ready_before_old_ones_terminate(find: Find):
    for deployment in find("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_only_the_autoscaler_sets_the_number_of_replicas(find: Find):
    scaled = {hpa["spec"]["scaleTargetRef"]["name"] for hpa in find("HorizontalPodAutoscaler")}
    assert scaled == {"pedidos", "estoque"}
    for deployment in find("Deployment"):
        assert ("replicas" in deployment["spec"]) != (deployment["metadata"]["name"] in scaled)


def test_each_service_selects_the_pods_of_its_part_only(everything: list[Manifest]):
    templates = [
        m["spec"]["template"]["metadata"]["labels"] for m in everything if m["kind"] in ("Deployment", "StatefulSet")
    ]
    jobs = [m["spec"]["template"]["metadata"]["labels"] for m in everything if m["kind"] == "Job"]
    for service in (m for m in everything if m["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        chosen = [labels["app.kubernetes.io/name"] for labels in templates if selector <= labels.items()]
        # The panel's chart has Services for the parts that it watches.
        assert chosen == [service["metadata"]["name"].removeprefix("painel-")]
        assert not [labels for labels in jobs if selector <= labels.items()], "a Job serves no requests"


def test_the_panel_reads_metrics_on_each_part_s_metrics_port_even_with_reused_values(helm: Helm):
    """An older release had these ports among its values, 8000."""
    ports = {"pedidos": 9000, "estoque": 9000, "operator": 9000, "conferir": 9000, "gateway": 9902}
    rendered = helm.template("painel", *(f"watched.{part}.port=8000" for part in ports))
    services = {m["metadata"]["name"]: m["spec"]["ports"][0] for m in rendered if m["kind"] == "Service"}
    assert {part: services[f"painel-{part}"]["port"] for part in ports} == ports
    assert {part: services[f"painel-{part}"]["targetPort"] for part in ports} == ports
    (container,) = next(spec for name, spec in pod_specs(rendered) if name == "Deployment/painel")["containers"]
    urls = {env["name"]: env.get("value") for env in container["env"] if env["name"].endswith("_URLS")}
    for part, port in ports.items():
        assert urls[f"{part.upper()}_URLS"] == f"http://painel-{part}:{port}"
    policy = next(m for m in rendered if (m["kind"], m["metadata"]["name"]) == ("NetworkPolicy", "painel"))
    allowed = {
        peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name"): rule["ports"][0]["port"]
        for rule in policy["spec"]["egress"]
        for peer in rule.get("to", [])
        if "podSelector" in peer
    }
    assert ports.items() <= allowed.items()


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "Service", "Job", "NetworkPolicy", "ConfigMap", "Secret"]
)
def test_every_object_has_the_recommended_labels(find: Find, kind: str):
    wanted = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "part-of", "version", "managed-by")}
    assert find(kind)
    for manifest in find(kind):
        assert wanted <= set(manifest["metadata"]["labels"]), manifest["metadata"]["name"]
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "reserva-estoque"


# Safety, beyond what the API server checks (test_cluster.py)

NOT_ASKED = {
    "container-image-pull-policy": "images are named by version or digest: what is here is what is meant",
    "deployment-has-host-podantiaffinity": "replicas are spread by topologySpreadConstraints",
    "deployment-replicas": "one operator and one conferir are enough",
}
STORES_ONLY = {
    "container-security-context-user-group-id": "the images of PostgreSQL and RabbitMQ have their users, 999",
    "pod-probes-identical": "a store that answers is ready",
}


@pytest.mark.parametrize(
    ("chart", "ignored"), [("reserva-estoque", {}), ("data-stores", STORES_ONLY)], ids=lambda v: str(v)[:9]
)
def test_the_linter_of_manifests_finds_nothing(helm: Helm, chart: str, ignored: dict[str, str]):
    try:
        linter = tools.kube_score()
    except tools.MissingError as missing:
        pytest.skip(str(missing))
    options = [word for test in {**NOT_ASKED, **ignored} for word in ("--ignore-test", test)]
    # No CPU limits on purpose: a throttled pod answers late.
    argv = [
        linter,
        "score",
        "--exit-one-on-warning",
        "--ignore-container-cpu-limit",
        "--output-format=ci",
        *options,
        "-",
    ]
    done = subprocess.run(argv, input=helm.text(chart), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "[OK]" in done.stdout


def test_only_the_operator_has_a_token(everything: list[Manifest]):
    for name, spec in pod_specs(everything):
        assert spec["automountServiceAccountToken"] is (name == "Deployment/operator"), name


def test_root_file_systems_are_read_only_and_memory_is_bounded(everything: list[Manifest]):
    for name, container in containers(everything):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert "memory" in container["resources"]["limits"], name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name


def test_images_are_pulled_only_if_not_present(everything: list[Manifest]):
    for name, container in containers(everything):
        assert not container["image"].endswith(":latest"), name
        assert container["imagePullPolicy"] == "IfNotPresent", name


def test_irreplaceable_resources_are_kept_when_a_release_is_uninstalled(find: Find):
    keep = {"helm.sh/resource-policy": "keep"}
    assert all(secret["metadata"]["annotations"] == keep for secret in find("Secret"))
    assert len(find("StatefulSet")) == 3
    for store in find("StatefulSet"):
        assert "persistentVolumeClaimRetentionPolicy" not in store["spec"], "by default claims stay"
        assert store["spec"]["volumeClaimTemplates"]


# Monitoring


def test_alerts_of_conferir_are_those_that_are_described():
    described = (ROOT / "docs/operations.md").read_text()
    groups = libyaml.load((ROOT / "charts/reserva-estoque/files/rules.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    for rule in rules:
        assert rule["annotations"]["summary"]
    assert {"ReservaEstoqueViolation", "ReservaEstoqueNotAudited"} <= {rule["alert"] for rule in rules}
    assert "ReservaEstoqueViolation" in described
