"""A cluster: an existing one (KUBECONFIG), or a kind cluster created for the tests and deleted after them."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import libyaml

from cluster.tools import ROOT, require, run

NODE_PORT = 30080
NAME = f"reserva-e2e-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}"
"""One per checkout: leftovers of an interrupted run are replaced; other checkouts' clusters are not touched."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `kind` is its name if it is a kind cluster, and empty otherwise."""

    kubeconfig: Path
    gateway_url: str
    kind: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment that programs need to find it."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *args: str, stdin: str = "", seconds: float = 120) -> str:
        """Runs kubectl as the administrator. Raises ToolError."""
        return run("kubectl", *args, stdin=stdin, seconds=seconds, environment=self.environment)

    def load(self, *images: str) -> None:
        """Loads local docker images into its nodes, which pull all others on their own."""
        here = [image for image in images if run("docker", "images", "--quiet", image).strip()]
        if self.kind and here:
            run("kind", "load", "docker-image", "--name", self.kind, *here, seconds=600)


@contextmanager
def open_cluster(folder: Path, nodes: str = "", name: str = NAME) -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, or a new one, deleted at the end unless E2E_KEEP says otherwise.

    `nodes` or E2E_NODES select the configuration: `one-node`, `three-nodes` or `four-nodes`. KIND_NODE_IMAGE names
    the nodes' image. Raises ToolError.
    """
    if existing := os.environ.get("KUBECONFIG"):
        require(["kubectl", "helm"])
        yield _existing(Path(existing))
        return
    require(["docker", "kind", "kubectl", "helm"])
    run("docker", "info", seconds=30)
    kubeconfig, port = folder / "kubeconfig", _free_port()
    run("kind", "delete", "cluster", "--name", name)
    try:
        nodes = nodes or os.environ.get("E2E_NODES") or "three-nodes"
        _create(folder, kubeconfig, port, nodes, name)
        yield Cluster(kubeconfig, f"http://127.0.0.1:{port}", name)
    finally:
        if not os.environ.get("E2E_KEEP"):
            run("kind", "delete", "cluster", "--name", name)


def _create(folder: Path, kubeconfig: Path, port: int, nodes: str, name: str) -> None:
    configuration = libyaml.load((ROOT / f"k8s/kind/{nodes}.yaml").read_text())
    configuration["nodes"][0]["extraPortMappings"][0]["hostPort"] = port
    file = folder / "kind.yaml"
    file.write_text(libyaml.dump(configuration))
    image = os.environ.get("KIND_NODE_IMAGE")
    run(
        *("kind", "create", "cluster", "--name", name, "--config", str(file), "--wait", "180s"),
        *("--kubeconfig", str(kubeconfig), *(["--image", image] if image else [])),
        seconds=600,
    )


def _existing(kubeconfig: Path) -> Cluster:
    """The gateway is at E2E_GATEWAY, or at the node port of the first node."""
    context = run("kubectl", "config", "current-context").strip()
    nodes = json.loads(run("kubectl", "get", "nodes", "--output=json"))["items"]
    internal = next(e["address"] for e in nodes[0]["status"]["addresses"] if e["type"] == "InternalIP")
    url = os.environ.get("E2E_GATEWAY") or f"http://{internal}:{NODE_PORT}"
    return Cluster(kubeconfig, url, context.removeprefix("kind-") if context.startswith("kind-") else "")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
