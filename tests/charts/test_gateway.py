"""The gateway of the chart at its edge: tokens, limits, TLS, CORS, headers, on a real Envoy."""

import http.client
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import envoy_here
import httpx
import libyaml
import pytest
from certificates import Authority, Certificate
from chart_values import CHARTS
from envoy_here import Service, serving, until
from helm import LOGIN, NAMESPACE, Helm, Manifest, RefusedError
from name_server import name_server
from prometheus_here import prometheus_on, scraping

from local_system.identity import AUDIENCE, Issuer, public_jwk
from local_system.ports import HOST, Ports

ISSUER = "https://login.loja.example/"
ISSUERS = "jwt.issuers.loja"
NAMED = (f"{ISSUERS}.issuer={ISSUER}", f"{ISSUERS}.audiences[0]={AUDIENCE}")
INLINE = (*NAMED, f"{ISSUERS}.jwks=JWKS")
REMOTE = (*NAMED, f"{ISSUERS}.jwksUri=https://login.loja.example/jwks.json")
FROM_SECRET = (*NAMED, f"{ISSUERS}.jwksSecret.name=login")
ANY_AUDIENCE, PLAIN_HTTP = (f"{ISSUERS}.{name}=true" for name in ("allowAnyAudience", "allowPlainHttp"))
B = ("jwt.issuers.b.issuer=b", "jwt.issuers.b.allowAnyAudience=true")
TLS = ("tls.enabled=true", "tls.secret=gateway-tls")
CORS = ("cors.origins[0]=https://loja.example", "cors.origins[1]=http://localhost:3000")
ON = "global.jwt.enabled=true"
CELLS = tuple(
    f"cells.{name}.{key}"
    for name in ("norte", "sul")
    for key in (
        f"hosts[0]={name}.loja.example",
        f"pedidos.host=pedidos.{name}.svc",
        "pedidos.port=8000",
        f"estoque.host=estoque.{name}.svc",
        "estoque.port=8000",
    )
)
IDENTITIES: dict[str, tuple[str, ...]] = {
    "open": (),
    "inline keys": (ON, *INLINE),
    "keys from a URL": (ON, *REMOTE, f"{ISSUERS}.audiences[1]=loja"),
    "two issuers": (
        ON,
        *FROM_SECRET,
        *B,
        "jwt.issuers.b.jwksUri=http://x.example:81/k",
        "jwt.issuers.b.allowPlainHttp=true",
    ),
}
SWITCHES: dict[str, tuple[str, ...]] = {
    "limits": ("limits.enabled=true",),
    "tls": TLS,
    "cors": CORS,
    "cells": (*CELLS, "defaultCell=false"),
    "tracing": ("global.tracing.endpoint=http://collector.observe.svc:4318", "global.tracing.samplePercent=0.5"),
}
PLAIN = ("compression.enabled=false",)
VARIANTS = [
    ("open", ("plain",)),
    ("keys from a URL", ("limits", "tls", "cors", "cells", "plain")),
    *(
        (identity, chosen)
        for identity in IDENTITIES
        for count in range(len(SWITCHES) + 1)
        for chosen in itertools.combinations(SWITCHES, count)
    ),
]


def config(manifests: list[Manifest]) -> dict[str, str]:
    (data,) = [m["data"] for m in manifests if (m["kind"], m["metadata"]["name"]) == ("ConfigMap", "gateway")]
    return dict(data)


def manager(envoy: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return found


def one(manifests: list[Manifest], kind: str, name: str = "gateway") -> Manifest:
    (found,) = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def here(manifests: list[Manifest], folder: Path) -> str:
    """The rendered configuration, with the pod's folders moved below this one."""
    (folder / "envoy").mkdir(exist_ok=True)
    data = config(manifests)
    if "certificate.yaml" in data:
        (folder / "envoy/certificate.yaml").write_text(
            data["certificate.yaml"].replace("/etc/envoy", f"{folder}/envoy")
        )
    return data["envoy.yaml"].replace("/etc/envoy", f"{folder}/envoy")


def filters(envoy: dict[str, Any]) -> list[str]:
    return [f["name"].removeprefix("envoy.filters.http.") for f in manager(envoy)["http_filters"]]


# Configuration


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    return Issuer.open(tmp_path_factory.mktemp("keys")).jwks.read_text()


@pytest.mark.integration
@pytest.mark.parametrize(("identity", "chosen"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "+".join(v))
def test_envoy_accepts_every_variant(helm: Helm, tmp_path: Path, keys: str, identity: str, chosen: tuple[str, ...]):
    sets = [value for name in chosen for value in {**SWITCHES, "plain": PLAIN}[name]]
    text = here(helm.template("gateway", *IDENTITIES[identity], *sets), tmp_path)
    assert not re.search(r"\$\{|# (if|end) ", text)
    (tmp_path / "envoy-jwks/loja").mkdir(parents=True)
    (tmp_path / "envoy-jwks/loja/jwks.json").write_text(keys)
    envoy_here.validate(tmp_path, text.replace("inline_string: JWKS", f"inline_string: {json.dumps(keys)}"))
    expected = [
        *(["cors"] if "cors" in chosen else []),
        "csrf",
        *(["jwt_authn", "lua.subject"] if identity != "open" else []),
        *(["lua.limits", "local_ratelimit"] if "limits" in chosen else []),
        *([] if "plain" in chosen else ["compressor"]),
        *("buffer", "router"),
    ]
    assert filters(libyaml.load(text)) == expected


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([ON], "gateway.jwt.issuers names no issuer"),
        ([ON, *NAMED], "name its keys by one of jwksUri, jwksSecret and jwks (found: none)"),
        ([ON, *INLINE, f"{ISSUERS}.jwksUri=https://x/y"], "(found: jwksUri, jwks)"),
        ([f"{ISSUERS}.jwks=x"], "issuer"),
        ([*INLINE, f"{ISSUERS}.audience=x"], "audience"),
        ([*INLINE, f"{ISSUERS}.jwksUri=ftp://x/y"], "jwksUri"),
        (["jwt.issuers.a_b.issuer=x"], "a_b"),
        ([ON, *REMOTE, f"{ISSUERS}.jwksCa.key=x"], "name a Secret or a ConfigMap"),
        ([ON, *REMOTE, f"{ISSUERS}.jwksCa.secret=x", f"{ISSUERS}.jwksCa.configMap=y"], "not both"),
        (
            [ON, f"{ISSUERS}.issuer={ISSUER}", f"{ISSUERS}.jwks=x"],
            "gateway.jwt.issuers.loja: name the accepted audiences",
        ),
        ([ON, *INLINE, ANY_AUDIENCE], "gateway.jwt.issuers.loja: name the accepted audiences"),
        ([ON, *INLINE, f"{ISSUERS}.audiences[0]="], "audiences"),
        ([ON, *NAMED, f"{ISSUERS}.jwksUri=http://x/y"], "jwksUri: http://x/y is not https"),
        (["tls.enabled=true"], "gateway.tls.secret names no Secret"),
        ([*TLS, "ingress.enabled=true"], "TLS ends either at the gateway or in front of it"),
        ([*TLS, "tls.certificate.enabled=true"], "for which names"),
        ([*TLS, "tls.certificate.enabled=true", "tls.certificate.dnsNames[0]=loja.example"], "which issuer"),
        (["cors.origins[0]=loja.example"], "loja.example is not an origin"),
        (["cors.origins[0]=https://loja.example/"], "is not an origin"),
        (["cors.origins[0]=*"], "is not an origin"),
        (["limits.reads.perSecond=0"], "perSecond"),
        (["limits.shopFactor=0"], "shopFactor"),
        (["resources.limits.memory=300M"], "write it in Mi or Gi"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1],
)
def test_invalid_values_are_refused_with_an_explanation(helm: Helm, sets: list[str], said: str):
    with pytest.raises(RefusedError, match=re.escape(said)):
        helm.text("gateway", *sets)


def test_any_audience_is_accepted_only_where_the_values_say_so(helm: Helm):
    any_audience = [ON, f"{ISSUERS}.issuer={ISSUER}", f"{ISSUERS}.jwks=x", ANY_AUDIENCE]
    for sets, audiences in ((any_audience, None), ([ON, *INLINE], [AUDIENCE])):
        envoy = libyaml.load(config(helm.template("gateway", *sets))["envoy.yaml"])
        (jwt,) = [f for f in manager(envoy)["http_filters"] if f["name"].endswith("jwt_authn")]
        assert jwt["typed_config"]["providers"]["loja"].get("audiences") == audiences


def test_the_installation_is_refused_when_identity_is_on_without_an_issuer(helm: Helm):
    with pytest.raises(RefusedError, match=re.escape("gateway.jwt.issuers names no issuer")):
        helm.text("reserva-estoque", ON)
    three = [ON, *(f"gateway.{value}" for value in REMOTE)]
    assert "jwt_authn" in filters(libyaml.load(config(helm.template("reserva-estoque", *three))["envoy.yaml"]))


def test_the_heap_is_four_fifths_of_the_container_s_memory(helm: Helm):
    for limit, size in (("512Mi", 429496729), ("1Gi", 858993459)):
        envoy = libyaml.load(config(helm.template("gateway", f"resources.limits.memory={limit}"))["envoy.yaml"])
        heap = envoy["overload_manager"]["resource_monitors"][1]["typed_config"]
        assert heap["max_heap_size_bytes"] == size


@pytest.mark.parametrize("tls", [False, True])
def test_admin_is_on_loopback_and_only_two_of_its_pages_are_exposed(helm: Helm, tls: bool):
    envoy = libyaml.load(config(helm.template("gateway", *(TLS if tls else ())))["envoy.yaml"])
    assert envoy["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}
    resources = envoy["static_resources"]
    for listener in resources["listeners"]:
        hosts = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
        to_admin = [r["match"] for h in hosts for r in h["routes"] if r.get("route", {}).get("cluster") == "admin"]
        expected = [{"path": "/ready"}, {"path": "/stats/prometheus"}] if listener["name"] == "operations" else []
        assert to_admin == expected
    service = one(helm.template("gateway", *(TLS if tls else ())), "Service")
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ({"http", "https"} if tls else {"http"})


def test_secrets_are_mounted_as_folders_with_only_what_is_needed(helm: Helm):
    sets = [*TLS, ON, *FROM_SECRET, *B, "jwt.issuers.b.jwksUri=https://b/k"]
    sets += ["jwt.issuers.b.jwksCa.configMap=root", "accessLog.subjectKey.existingSecret=log"]
    spec = one(helm.template("gateway", *sets), "Deployment")["spec"]["template"]["spec"]
    (envoy,) = spec["containers"]
    mounts = {mount["name"]: mount for mount in envoy["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert mounts["tls"]["mountPath"] == "/etc/envoy-tls"
    assert [item["key"] for item in volumes["tls"]["secret"]["items"]] == ["tls.crt", "tls.key"]
    assert mounts["jwks-loja"]["mountPath"] == "/etc/envoy-jwks/loja"
    assert volumes["jwks-loja"]["secret"]["items"] == [{"key": "jwks.json", "path": "jwks.json"}]
    assert volumes["jwks-ca-b"]["configMap"] == {"name": "root", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert all(
        mounts[name]["readOnly"] and "subPath" not in mounts[name] for name in ("tls", "jwks-loja", "jwks-ca-b")
    )
    assert envoy["env"] == [{"name": "SUBJECT_KEY", "valueFrom": {"secretKeyRef": {"name": "log", "key": "key"}}}]


def test_the_gateway_may_fetch_keys_on_the_port_of_each_url(helm: Helm):
    sets = [ON, *REMOTE, *B, "jwt.issuers.b.jwksUri=https://b:8081/k"]
    egress = one(helm.template("gateway", *sets), "NetworkPolicy")["spec"]["egress"]
    assert {"ports": [{"protocol": "TCP", "port": 443}]} in egress
    assert {"ports": [{"protocol": "TCP", "port": 8081}]} in egress
    egress = one(helm.template("gateway", *sets[1:]), "NetworkPolicy")["spec"]["egress"]
    assert not [rule for rule in egress if "to" not in rule]


def test_in_production_the_gateway_sees_its_clients_addresses(helm: Helm):
    """Calls without a token and streams opened with a ticket are limited by address."""
    text = helm.text("reserva-estoque", *LOGIN, values=CHARTS.parent / "k8s/production/values.yaml")
    rendered = [manifest for manifest in libyaml.load_all(text) if manifest]
    service = one(rendered, "Service")["spec"]
    assert (service["type"], service["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert manager(libyaml.load(config(rendered)["envoy.yaml"]))["xff_num_trusted_hops"] == 0


def test_cert_manager_is_asked_for_the_secret_that_the_gateway_uses(helm: Helm):
    sets = [
        "tls.certificate.enabled=true",
        "tls.certificate.dnsNames[0]=loja.example",
        "tls.certificate.issuerRef.name=ca",
    ]
    spec = one(helm.template("gateway", *TLS, *sets), "Certificate")["spec"]
    assert (spec["secretName"], spec["dnsNames"], spec["issuerRef"]) == (
        "gateway-tls",
        ["loja.example"],
        {"name": "ca"},
    )


# A real Envoy


@dataclass
class Running:
    client: httpx.Client
    pedidos: Service
    estoque: Service
    folder: Path
    port: int
    plain: int
    admin: int


@contextmanager
def running(helm: Helm, folder: Path, *sets: str, edit: dict[str, str] | None = None) -> Iterator[Running]:
    """The chart's gateway, for services on this machine."""
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        upstreams = [
            f"upstreams.{s.name}.{k}" for s in (pedidos, estoque) for k in (f"host={HOST}", f"port={s.port}")
        ]
        text = here(helm.template("gateway", "networkPolicy.enabled=false", *upstreams, *sets), folder)
        for old, new in (edit or {}).items():
            assert old in text
            text = text.replace(old, new)
        envoy = libyaml.load(text)
        ports = Ports.free()
        free = iter((ports.gateway, ports.pedidos, ports.estoque))
        found = {}
        for listener in envoy["static_resources"]["listeners"]:
            found[listener["name"]] = next(free)
            listener["address"]["socket_address"] = {"address": HOST, "port_value": found[listener["name"]]}
        envoy["admin"]["address"]["socket_address"]["port_value"] = ports.gateway_admin
        env = {"SUBJECT_KEY": "0" * 32}
        client, _ = stack.enter_context(envoy_here.running(folder, libyaml.dump(envoy), env))
        yield Running(
            client, pedidos, estoque, folder, found["ingress"], found.get("redirect", 0), ports.gateway_admin
        )


# Keys of an issuer


class Login:
    """An issuer that publishes its keys at https://localhost."""

    def __init__(self, folder: Path, certificate: Certificate | None) -> None:
        self.folder = folder
        self.current = Issuer.open(folder / "jwt-1")
        self.published = [self.jwk(self.current, "local-1")]
        self.asked = 0
        self.broken = False
        login = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                login.asked += 1
                body = json.dumps({"keys": login.published}).encode()
                self.send_response(500 if login.broken or self.path != "/jwks.json?x=1" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate.chain, certificate.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.uri = f"http{'s' if certificate else ''}://localhost:{self.server.server_address[1]}/jwks.json?x=1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def jwk(issuer: Issuer, name: str) -> dict[str, str]:
        return public_jwk(issuer.key.public_key(), name)

    @property
    def sets(self) -> list[str]:
        """The values for a gateway that accepts its tokens."""
        plain = [] if self.uri.startswith("https:") else [PLAIN_HTTP]
        return [*NAMED, f"{ISSUERS}.jwksUri={self.uri}", *plain]

    def rotate(self) -> None:
        """Publishes another key and signs with it from then on."""
        self.current = Issuer.open(self.folder / f"jwt-{time.monotonic_ns()}")
        self.published = [self.jwk(self.current, "local-1")]

    def token(self) -> dict[str, str]:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": int(time.time()) + 60}
        return {"Authorization": f"Bearer {self.current.signed(claims)}"}


@contextmanager
def login(folder: Path, certificate: Certificate | None = None) -> Iterator[Login]:
    found = Login(folder, certificate)
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()


@pytest.mark.integration
def test_keys_come_from_a_url_before_the_first_request_and_follow_a_rotation(helm: Helm, tmp_path: Path):
    authority = Authority(tmp_path, "login-ca")
    (tmp_path / "envoy-jwks-ca/loja").mkdir(parents=True)
    shutil.copy(authority.file, tmp_path / "envoy-jwks-ca/loja/ca.crt")
    with login(tmp_path, authority.sign("DNS:localhost")) as issuer:
        sets = [ON, *issuer.sets, f"{ISSUERS}.jwksCa.secret=x"]
        with running(
            helm, tmp_path, *sets, f"{ISSUERS}.cacheSeconds=10", edit={"cache_duration: 10s": "cache_duration: 2s"}
        ) as here:
            assert issuer.asked == 1
            assert here.client.get("/pedidos", headers=issuer.token()).status_code == 200
            before = issuer.token()
            issuer.rotate()
            until(lambda: here.client.get("/pedidos", headers=issuer.token()).status_code == 200)
            assert here.client.get("/pedidos", headers=before).status_code == 401
            issuer.broken = True
            asked = issuer.asked
            until(lambda: issuer.asked >= asked + 3)
            assert here.client.get("/pedidos", headers=issuer.token()).status_code == 200, "the last keys remain"


@pytest.mark.integration
@pytest.mark.parametrize("name", ["DNS:other.example", "DNS:localhost"])
def test_keys_from_a_server_that_cannot_be_trusted_are_not_used(helm: Helm, tmp_path: Path, name: str):
    """The certificate is either for another name or from another CA."""
    authority, other = Authority(tmp_path, "login-ca"), Authority(tmp_path, "other-ca")
    (tmp_path / "envoy-jwks-ca/loja").mkdir(parents=True)
    shutil.copy(authority.file, tmp_path / "envoy-jwks-ca/loja/ca.crt")
    signer = authority if name == "DNS:other.example" else other
    with login(tmp_path, signer.sign(name)) as issuer:
        sets = [ON, *issuer.sets, f"{ISSUERS}.jwksCa.configMap=x"]
        with running(helm, tmp_path, *sets) as here:
            answer = here.client.get("/pedidos", headers=issuer.token())
            assert answer.status_code == 401
            assert "Jwks remote fetch is failed" in answer.json()["detail"]
        assert issuer.asked == 0


@pytest.mark.integration
def test_changed_keys_in_a_secret_are_used_after_a_restart(helm: Helm, tmp_path: Path):
    with login(tmp_path) as issuer:
        mounted = Mounted(tmp_path / "envoy-jwks/loja")
        for _ in range(2):
            mounted.write({"jwks.json": json.dumps({"keys": issuer.published})})
            with running(helm, tmp_path, ON, *FROM_SECRET) as here:
                assert here.client.get("/pedidos", headers=issuer.token()).status_code == 200
                issuer.rotate()
                assert here.client.get("/pedidos", headers=issuer.token()).status_code == 401


class Mounted:
    """A Secret's folder, which changes as kubelet changes it: by renaming a link to all of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = itertools.count()
        folder.mkdir(parents=True)

    def write(self, files: dict[str, str]) -> None:
        version = self.folder / f"..{next(self.versions)}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        (self.folder / "..data_tmp").symlink_to(version.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")


@pytest.mark.integration
def test_every_cell_needs_a_token(helm: Helm, tmp_path: Path):
    with login(tmp_path) as issuer:
        sets = [ON, *issuer.sets, *CELLS]
        with running(helm, tmp_path, *sets) as here:
            for host in ("norte.loja.example", "sul.loja.example", "other.example"):
                assert here.client.get("/pedidos", headers={"Host": host}).status_code == 401
            assert here.client.get("/pedidos", headers={"Host": "other.example", **issuer.token()}).status_code == 200
            answer = here.client.get("/pedidos", headers={"Host": "sul.loja.example", **issuer.token()})
            assert answer.status_code == 503, "it is admitted, but the service does not exist here"


@pytest.mark.integration
def test_each_cell_has_its_own_limits(helm: Helm, tmp_path: Path):
    limits = ["limits.enabled=true", "limits.reads.perSecond=1", "limits.reads.burst=3"]
    with running(helm, tmp_path, *limits, *CELLS) as here:

        def statuses(host: str) -> list[int]:
            return [here.client.get("/pedidos", headers={"Host": host}).status_code for _ in range(6)]

        assert statuses("other.example").count(429) >= 2
        assert statuses("norte.loja.example")[:3] == [503] * 3


# TLS


@dataclass
class WithTls:
    gateway: Running
    authority: Authority
    mounted: Mounted

    def renew(self) -> None:
        chain, key = self.authority.sign("DNS:localhost")
        self.mounted.write({"tls.crt": chain.read_text(), "tls.key": key.read_text()})

    def connect(self, *protocols: str, **limits: Any) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.set_alpn_protocols(list(protocols) or ["http/1.1"])
        for name, value in limits.items():
            setattr(context, name, value)
        raw = socket.create_connection((HOST, self.gateway.port), timeout=5)
        return context.wrap_socket(raw, server_hostname="localhost")

    def serial(self) -> str:
        with self.connect() as connection:
            certificate = connection.getpeercert()
            assert certificate
            return str(certificate["serialNumber"])

    def client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        return httpx.Client(verify=context, trust_env=False, base_url=f"https://localhost:{self.gateway.port}")


@pytest.fixture(scope="module")
def with_tls(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithTls]:
    folder = tmp_path_factory.mktemp("tls")
    made = WithTls(None, Authority(folder, "ca"), Mounted(folder / "envoy-tls"))  # type: ignore[arg-type]
    made.renew()
    with running(helm, folder, *TLS) as made.gateway:
        yield made


@pytest.mark.integration
@pytest.mark.parametrize(
    ("offered", "version", "protocol"),
    [
        (("h2", "http/1.1"), ssl.TLSVersion.TLSv1_3, "h2"),
        (("h2",), ssl.TLSVersion.TLSv1_2, "h2"),
        (("http/1.1",), ssl.TLSVersion.TLSv1_2, "http/1.1"),
    ],
)
def test_tls_ends_at_the_gateway(with_tls: WithTls, offered: tuple[str, ...], version: ssl.TLSVersion, protocol: str):
    with with_tls.connect(*offered, maximum_version=version) as connection:
        assert connection.version() == version.name.replace("_", ".")
        assert connection.selected_alpn_protocol() == protocol


@pytest.mark.integration
def test_tls_below_1_2_is_refused(with_tls: WithTls):
    """The test uses openssl's client, because Python's warns about old versions."""
    argv = ["openssl", "s_client", "-connect", f"{HOST}:{with_tls.gateway.port}", "-cipher", "ALL:@SECLEVEL=0"]
    for version, agreed in (("-tls1_1", False), ("-tls1_2", True)):
        done = subprocess.run([*argv, version], input="", capture_output=True, text=True, check=False, timeout=10)
        assert ("BEGIN CERTIFICATE" in done.stdout) is agreed


@pytest.mark.integration
def test_a_renewed_certificate_is_used_without_a_restart(with_tls: WithTls):
    with with_tls.client() as client:
        for path in ("/estoque", "/nothing"):
            assert client.get(path).headers["strict-transport-security"] == "max-age=31536000"
        first = with_tls.serial()
        with_tls.renew()
        until(lambda: with_tls.serial() != first)
        assert client.get("/estoque").status_code == 200, "on the earlier connection"


@pytest.mark.integration
def test_requests_without_tls_are_redirected_to_https(with_tls: WithTls):
    url = f"http://{HOST}:{with_tls.gateway.plain}/pedidos?a=b"
    answer = httpx.post(url, headers={"Host": "loja.example"}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (308, "https://loja.example/pedidos?a=b")
    assert with_tls.gateway.pedidos.seen == []


def test_without_redirect_nothing_listens_without_tls(helm: Helm):
    rendered = helm.template("gateway", *TLS, "tls.redirect=false")
    envoy = libyaml.load(config(rendered)["envoy.yaml"])
    ports = {
        li["name"]: li["address"]["socket_address"]["port_value"] for li in envoy["static_resources"]["listeners"]
    }
    assert ports == {"ingress": 8443, "operations": 9902}
    assert [port["name"] for port in one(rendered, "Service")["spec"]["ports"]] == ["https"]
    ingress = one(rendered, "NetworkPolicy")["spec"]["ingress"][0]
    assert ingress["ports"] == [{"protocol": "TCP", "port": 8443}]


# Browsers


@pytest.mark.integration
def test_only_pages_of_the_listed_origins_may_read_answers(helm: Helm, tmp_path: Path):
    with login(tmp_path) as issuer:
        sets = [*CORS, ON, *issuer.sets]
        with running(helm, tmp_path, *sets) as here:
            for origin in ("https://loja.example", "http://localhost:3000"):
                preflight = here.client.options(
                    "/pedidos",
                    headers={
                        "Origin": origin,
                        "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
                    },
                )
                assert preflight.status_code == 200
                assert preflight.headers["access-control-allow-origin"] == origin
                assert "POST" in preflight.headers["access-control-allow-methods"]
                assert {"authorization", "idempotency-key", "prefer", "last-event-id"} <= set(
                    preflight.headers["access-control-allow-headers"].split(", ")
                )
                assert not [one for one in here.pedidos.seen if one.startswith("OPTIONS")]
                sent = here.client.post("/pedidos", headers={"Origin": origin, **issuer.token()})
                assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, origin)
                for headers, status in ((issuer.token(), 200), ({}, 401)):
                    answer = here.client.get("/pedidos", headers={"Origin": origin, **headers})
                    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, origin)
                    exposed = answer.headers["access-control-expose-headers"].split(", ")
                    assert {"location", "etag", "retry-after", "ratelimit", "x-request-id"} <= set(exposed)
                    assert "access-control-allow-credentials" not in answer.headers
            for origin in (
                "https://evil.example",
                "https://loja.example.evil.example",
                "http://loja.example",
                "null",
            ):
                answer = here.client.get("/pedidos", headers={"Origin": origin, **issuer.token()})
                assert answer.status_code == 200
                assert not [name for name in answer.headers if name.startswith("access-control")]
                assert "Origin" in answer.headers["vary"]
                answer = here.client.options(
                    "/pedidos", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
                )
                assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.integration
def test_pages_of_other_origins_change_nothing_even_with_a_token(helm: Helm, tmp_path: Path):
    with login(tmp_path) as issuer:
        sets = [*CORS, ON, *issuer.sets]
        with running(helm, tmp_path, *sets) as here:
            for origin in (
                "https://evil.example",
                "https://loja.example.evil.example",
                "https://loja.example:1",
                "null",
            ):
                sent = here.client.post("/pedidos", headers={"Origin": origin, **issuer.token()})
                assert (sent.status_code, sent.json()["type"].rpartition("/")[2]) == (403, "origem-recusada"), origin
            assert here.pedidos.seen == []


@pytest.mark.integration
def test_same_origin_pages_may_send_changes_whatever_the_host(plain: Running):
    for host, origin, status in (
        ("loja.example", "https://loja.example", 200),
        ("loja.example:8443", "https://loja.example:8443", 200),
        ("loja.example", "https://evil.example", 403),
    ):
        answer = plain.client.post("/pedidos", headers={"Host": host, "Origin": origin})
        assert answer.status_code == status, (host, origin)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("sets", "kept"), [([], False), (["trustTraceparent=true"], True)], ids=["untrusted", "trusted"]
)
def test_a_trace_begins_at_the_client_only_if_clients_are_trusted(
    helm: Helm, tmp_path: Path, sets: list[str], kept: bool
):
    trace = "0af7651916cd43dd8448eb211c80319c"
    with running(helm, tmp_path, *sets) as here:
        here.client.get("/pedidos", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        assert (trace in here.pedidos.headers.get("traceparent", "")) is kept


@pytest.mark.integration
def test_hosts_that_are_not_listed_are_not_served(helm: Helm, tmp_path: Path):
    with running(helm, tmp_path, "hosts[0]=loja.example", "hosts[1]=*.loja.example") as here:
        own = [
            f"gateway{rest}"
            for rest in ("", ":80", *(f".{NAMESPACE}{end}" for end in ("", ".svc:80", ".svc.cluster.local")))
        ]
        for host in ("loja.example", "LOJA.example:8443", "sul.loja.example", *own):
            assert here.client.get("/estoque", headers={"Host": host}).status_code == 200, host
        for host in ("evil.example", "gateway.evil.example", "loja.example.evil.example", "127.0.0.1"):
            answer = here.client.get("/estoque", headers={"Host": host})
            assert answer.status_code == 404, host
            assert "does not serve the host" in answer.json()["detail"]
        nothing = here.client.get("/nothing", headers={"Host": "loja.example"})
        assert (nothing.status_code, nothing.json()["detail"]) == (404, "There is nothing at this address.")


@pytest.mark.integration
@pytest.mark.parametrize("listed", [f"gateway.{NAMESPACE}", "gateway"])
def test_the_gateway_s_own_names_may_be_listed(helm: Helm, tmp_path: Path, listed: str):
    text = here(helm.template("gateway", "hosts[0]=loja.example", f"hosts[1]={listed}"), tmp_path)
    envoy_here.validate(tmp_path, text)


@pytest.fixture(scope="module")
def plain(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(helm, tmp_path_factory.mktemp("plain")) as here:
        yield here


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/pedidos", "/estoque", "/nothing", "/schema/pedidos", "/estoque/%zz"])
def test_every_answer_has_the_security_headers(plain: Running, path: str):
    headers = plain.client.get(httpx.URL(str(plain.client.base_url).rstrip("/") + path)).headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert headers.get_list("referrer-policy") == ["no-referrer"]
    (policy,) = headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("script-src 'self'" in policy) is path.startswith("/schema")
    assert "strict-transport-security" not in headers
    assert headers["server"] == "reservaestoque"


@pytest.mark.integration
def test_lists_are_compressed_and_small_answers_and_streams_are_not(plain: Running):
    def answer(kind: str, size: int) -> None:
        def send(handler: BaseHTTPRequestHandler) -> None:
            handler.reply(200, "x" * size, Content_Type=kind, ETag='"abc"')  # type: ignore[attr-defined]

        plain.pedidos.answer = send

    try:
        answer("application/json", 5000)
        zipped = plain.client.get("/pedidos", headers={"Accept-Encoding": "gzip"})
        assert (zipped.headers["content-encoding"], zipped.text) == ("gzip", "x" * 5000)
        assert zipped.headers["etag"] == 'W/"abc"'
        assert "accept-encoding" in zipped.headers["vary"].lower()
        assert "content-encoding" not in plain.client.get("/pedidos", headers={"Accept-Encoding": "identity"}).headers
        for kind, size in (("application/json", 1000), ("text/event-stream", 5000)):
            answer(kind, size)
            assert "content-encoding" not in plain.client.get("/pedidos", headers={"Accept-Encoding": "gzip"}).headers
    finally:
        plain.pedidos.answer = None


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/stats", "/config_dump", "/quitquitquit", "/ready", "/stats/prometheus", "/admin"])
def test_admin_cannot_be_reached_through_the_gateway(plain: Running, path: str):
    for answer in (
        plain.client.get(path),
        plain.client.post(path),
        plain.client.get(path, headers={"Host": "127.0.0.1:9901"}),
    ):
        assert answer.status_code == 404


@pytest.mark.integration
def test_admin_serves_what_probes_and_hooks_need_and_nothing_else(helm: Helm, tmp_path: Path):
    with running(helm, tmp_path) as here:
        admin = f"http://{HOST}:{here.admin}"
        for path in ("/quitquitquit", "/config_dump", "/logging?level=trace", "/healthcheck/ok"):
            assert httpx.post(admin + path, trust_env=False).status_code == 403, path
        until(lambda: envoy_here.started(tmp_path, patience=0))
        hook = ["bash", CHARTS / "gateway/files/lifecycle.sh", "drain", "0", "2"]
        subprocess.run(hook, check=True, env={**os.environ, "ADMIN_PORT": str(here.admin)})
        assert httpx.get(admin + "/ready", trust_env=False).status_code == 503


@pytest.mark.integration
@pytest.mark.parametrize("method", ["QUERY", "FOO", "PROPFIND", "get"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/pedidos", "GET, HEAD, OPTIONS, POST"),
        ("/pedidos/0190", "GET, HEAD, OPTIONS"),
        ("/pedidos/0190/status?x=1", "GET, HEAD, OPTIONS"),
        ("/pedidos/0190/fechar", "OPTIONS, POST"),
        ("/pedidos/bilhetes", "OPTIONS, POST"),
        ("/pedidos/eventos", "GET, OPTIONS"),
        ("/statusPedido", "GET, HEAD, OPTIONS"),
        ("/estoque", "GET, HEAD, OPTIONS"),
        ("/estoque/UM", "GET, HEAD, OPTIONS"),
        ("/estoque/eventos", "GET, OPTIONS"),
        ("/schema/pedidos/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_unknown_http_method_is_not_allowed(plain: Running, method: str, path: str, allowed: str):
    plain.pedidos.seen.clear()
    connection = http.client.HTTPConnection(HOST, plain.port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert answer.status == 405
    assert answer.getheader("Allow") == allowed
    assert body["type"] == "https://reservaestoque.dev/problemas/metodo-nao-permitido"
    assert plain.pedidos.seen == []


@pytest.mark.integration
def test_a_method_with_invalid_characters_is_malformed(plain: Running):
    connection = http.client.HTTPConnection(HOST, plain.port, timeout=5)
    connection.putrequest("G@T", "/pedidos")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


# Alerts


@pytest.mark.integration
async def test_a_certificate_that_expires_soon_raises_an_alert(with_tls: WithTls, tmp_path: Path):
    """The test's certificate is valid for two days."""
    with scraping(tmp_path, "/stats/prometheus", [with_tls.gateway.admin]) as port:
        async with prometheus_on(port) as prometheus:
            await prometheus.raised("ReservaEstoqueCertificateExpires")


@pytest.mark.integration
async def test_failing_dns_lookups_raise_an_alert_though_known_replicas_still_answer(helm: Helm, tmp_path: Path):
    with name_server("estoque.shop.test") as names:
        resolver = f"socket_address: {{protocol: UDP, address: {HOST}, port_value: {names.port}}}"
        edit = {"query_tries: 3": f"query_tries: 1\n            resolvers: [{{{resolver}}}]"}
        with running(helm, tmp_path, "upstreams.estoque.host=estoque.shop.test", edit=edit) as here:
            until(lambda: here.client.get("/estoque").status_code == 200)
            names.silent = True
            with scraping(tmp_path, "/stats/prometheus", [here.admin]) as port:
                async with prometheus_on(port) as prometheus:
                    await prometheus.raised("ReservaEstoqueDnsFails", envoy_cluster_name="estoque")
            assert here.client.get("/estoque").status_code == 200
