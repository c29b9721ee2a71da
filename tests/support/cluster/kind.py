"""A cluster: an existing one (KUBECONFIG), or one of kind's, made for the tests and gone after them."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster.ferramentas import ROOT, executar, exigir

NODE_PORT = 30080
NOME = f"reserva-e2e-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}"
"""One a checkout: what an interrupted run has left is replaced, another checkout's is not touched."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `kind` is its name where it is one of kind's, and empty otherwise."""

    kubeconfig: Path
    gateway_url: str
    kind: str

    @property
    def ambiente(self) -> dict[str, str]:
        """What programs need to find it."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *args: str, entrada: str = "", segundos: float = 120) -> str:
        """Runs kubectl as the administrator. Raises FerramentaError."""
        return executar("kubectl", *args, entrada=entrada, segundos=segundos, ambiente=self.ambiente)

    def carregar(self, *imagens: str) -> None:
        """Gives its nodes the images that docker has here; others they pull by themselves."""
        aqui = [imagem for imagem in imagens if executar("docker", "images", "--quiet", imagem).strip()]
        if self.kind and aqui:
            executar("kind", "load", "docker-image", "--name", self.kind, *aqui, segundos=600)


@contextmanager
def abrir(pasta: Path, nodes: str = "", name: str = NOME) -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, or a new one, deleted in the end unless E2E_KEEP says otherwise.

    `nodes` or E2E_NODES choose the configuration (`um-no`, `tres-nos`, `quatro-nos`), KIND_NODE_IMAGE the nodes'
    image. Raises FerramentaError.
    """
    if existente := os.environ.get("KUBECONFIG"):
        exigir(["kubectl", "helm"])
        yield _existente(Path(existente))
        return
    exigir(["docker", "kind", "kubectl", "helm"])
    executar("docker", "info", segundos=30)
    kubeconfig, porta = pasta / "kubeconfig", _porta_livre()
    executar("kind", "delete", "cluster", "--name", name)
    try:
        nodes = nodes or os.environ.get("E2E_NODES") or "tres-nos"
        _criar(pasta, kubeconfig, porta, nodes, name)
        yield Cluster(kubeconfig, f"http://127.0.0.1:{porta}", name)
    finally:
        if not os.environ.get("E2E_KEEP"):
            executar("kind", "delete", "cluster", "--name", name)


def _criar(pasta: Path, kubeconfig: Path, porta: int, nodes: str, name: str) -> None:
    configuracao = yaml.safe_load((ROOT / f"k8s/kind/{nodes}.yaml").read_text())
    configuracao["nodes"][0]["extraPortMappings"][0]["hostPort"] = porta
    arquivo = pasta / "kind.yaml"
    arquivo.write_text(yaml.safe_dump(configuracao))
    imagem = os.environ.get("KIND_NODE_IMAGE")
    executar(
        *("kind", "create", "cluster", "--name", name, "--config", str(arquivo), "--wait", "180s"),
        *("--kubeconfig", str(kubeconfig), *(["--image", imagem] if imagem else [])),
        segundos=600,
    )


def _existente(kubeconfig: Path) -> Cluster:
    """The gateway is at E2E_GATEWAY, or at the node port of its first node."""
    contexto = executar("kubectl", "config", "current-context").strip()
    nos = json.loads(executar("kubectl", "get", "nodes", "--output=json"))["items"]
    interno = next(e["address"] for e in nos[0]["status"]["addresses"] if e["type"] == "InternalIP")
    url = os.environ.get("E2E_GATEWAY") or f"http://{interno}:{NODE_PORT}"
    return Cluster(kubeconfig, url, contexto.removeprefix("kind-") if contexto.startswith("kind-") else "")


def _porta_livre() -> int:
    with socket.socket() as um:
        um.bind(("127.0.0.1", 0))
        porta: int = um.getsockname()[1]
        return porta
