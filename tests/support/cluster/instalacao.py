"""The system, installed with Helm on a cluster; what is asked of it is what is asked of the local one too."""

import json
from collections.abc import Collection
from typing import Any

import yaml

from cluster.ferramentas import ROOT, FerramentaError, executar
from cluster.kind import Cluster

NAMESPACE = "reserva-estoque"
PROGRAMAS = ("pedidos", "estoque", "operator", "conferir")
PARTES = {
    "pedidos": "deployment/pedidos",
    "estoque": "deployment/estoque",
    "operator": "deployment/operator",
    "conferir": "deployment/conferir",
    "gateway": "deployment/gateway",
    "rabbitmq": "statefulset/rabbitmq",
    "pedidos-db": "statefulset/pedidos-db",
    "estoque-db": "statefulset/estoque-db",
}
VALORES = ("k8s/kind/valores.yaml", "tests/e2e/valores.yaml")
MINUTOS = "6m"


class Instalacao:
    """The releases `dados` and `loja` in the namespace reserva-estoque, of images with one tag."""

    def __init__(self, cluster: Cluster, tag: str) -> None:
        self.cluster = cluster
        self.tag = tag

    @property
    def gateway_url(self) -> str:
        """The gateway's address for customers outside of the cluster."""
        return self.cluster.gateway_url

    def kubectl(self, *args: str, stdin: str = "", segundos: float = 120) -> str:
        """Runs kubectl as the administrator, in the system's namespace. Raises FerramentaError."""
        return self.cluster.kubectl(f"--namespace={NAMESPACE}", *args, entrada=stdin, segundos=segundos)

    def ler(self, *args: str) -> dict[str, Any]:
        """What `kubectl get` says, as JSON."""
        lido: dict[str, Any] = json.loads(self.kubectl("get", *args, "--output=json"))
        return lido

    def helm(self, *args: str) -> str:
        """Runs helm in the system's namespace. Raises FerramentaError."""
        argv = ("helm", *args, "--namespace", NAMESPACE)
        return executar(*argv, segundos=480, ambiente=self.cluster.ambiente)

    def preparar(self) -> None:
        """The namespace, the data stores, and what the nodes need."""
        imagens = [f"reservaestoque/{programa}:{self.tag}" for programa in PROGRAMAS]
        self.cluster.carregar(*imagens, *imagens_alheias())
        self.cluster.kubectl("apply", "--filename", str(ROOT / "k8s/namespace.yaml"))
        executar("k8s/dependencias.sh")
        self.helm("upgrade", "--install", "dados", "charts/dados", "--wait", "--timeout", MINUTOS)

    def instalar(self, *mais: str, tag: str = "") -> None:
        """Installs the release `loja` or brings it up to date, and waits until all of it is ready."""
        valores = [argumento for arquivo in VALORES for argumento in ("--values", arquivo)]
        imagem = ("--set-string", f"global.image.tag={tag or self.tag}")
        espera = ("--wait", "--timeout", MINUTOS)
        self.helm("upgrade", "--install", "loja", "charts/reserva-estoque", *valores, *imagem, *espera, *mais)
        self.assentar()

    def assentar(self) -> None:
        """Waits until every rollout is over. Helm is content when new pods are ready; old ones may be there still."""
        for parte in ("pedidos", "estoque", "operator", "conferir", "gateway"):
            self.kubectl("rollout", "status", PARTES[parte], f"--timeout={MINUTOS}", segundos=400)

    def conferir(self, *args: str) -> str:
        """Runs `conferir` in its pod; what it says. Raises FerramentaError when it finds anything."""
        return self.kubectl("exec", "deployment/conferir", "--", "python", "-m", "conferir", *args)

    def violacoes(self) -> list[str]:
        """The counters of the running `conferir` which are not 0."""
        programa = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
        metricas = self.kubectl("exec", "deployment/conferir", "--", "python", "-c", programa)
        contadas = [linha for linha in metricas.splitlines() if linha.startswith("conferir_violations_total{")]
        if not contadas:
            raise FerramentaError("conferir counts nothing")
        return [linha for linha in contadas if not linha.endswith(" 0.0")]

    def pods(self, parte: str) -> list[dict[str, Any]]:
        """The pods of a part that are not on their way out, oldest first."""
        itens = self.ler("pods", f"--selector={seletor(parte)}")["items"]
        ficam = [pod for pod in itens if "deletionTimestamp" not in pod["metadata"]]
        return sorted(ficam, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def prontos(self, parte: str, sem: Collection[str] = ()) -> bool:
        """Whether a part has as many pods as it should, all ready, and none with a uid of `sem`."""
        pods = self.pods(parte)
        return (
            len(pods) == self.ler(PARTES[parte])["spec"]["replicas"]
            and all(condicao(pod, "Ready")["status"] == "True" for pod in pods)
            and not {pod["metadata"]["uid"] for pod in pods} & set(sem)
        )


def condicao(pod: dict[str, Any], tipo: str) -> dict[str, str]:
    """A condition of a pod's status."""
    nenhuma = {"type": tipo, "status": "Unknown", "lastTransitionTime": ""}
    return next((uma for uma in pod["status"].get("conditions", []) if uma["type"] == tipo), nenhuma)


def seletor(parte: str) -> str:
    """Chooses a part's own pods, not those that migrate for it or test it."""
    return f"app.kubernetes.io/name={parte},app.kubernetes.io/component notin (migrations,test)"


def imagens_alheias() -> list[str]:
    """The images that are not ours, as the charts name them."""
    pedidas = executar("helm", "show", "values", "charts/dados"), executar("helm", "show", "values", "charts/gateway")
    dados, gateway = (yaml.safe_load(valores) for valores in pedidas)
    envoy = f"{gateway['image']['repository']}:{gateway['image']['tag']}"
    return [dados["postgres"]["image"], dados["rabbitmq"]["image"], envoy]
