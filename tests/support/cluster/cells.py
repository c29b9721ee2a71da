"""Two cells and their gateway on a cluster, installed as docs/cells.md says."""

import json
import re
from pathlib import Path
from typing import Any

import libyaml

from cluster.document import Substitution, script, section
from cluster.installation import PROGRAMS, Installation, third_party_images
from cluster.kind import NODE_PORT, Cluster
from cluster.tools import ROOT, run

DOCUMENT = ROOT / "docs/cells.md"
CELLS = ("norte", "sul")
GATEWAY = "gateway"
"""Its namespace and its release."""
CELL_VALUES = ("k8s/kind/values.yaml", "tests/e2e/cells.yaml")
PORT = ("--set", "service.type=NodePort", "--set", f"service.nodePort={NODE_PORT}")


def table() -> dict[str, Any]:
    """The values that the document gives the gateway."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    parsed: dict[str, Any] = libyaml.load(text)
    return parsed


def commands(tag: str, file: Path) -> str:
    """The document's commands, with the gateway's table in `file` and what kind needs; docs/e2e.md lists it."""
    values = " ".join(f"--values {one}" for one in CELL_VALUES)
    chart = "charts/reserva-estoque --namespace"
    replaced = [
        Substitution(chart, chart.replace(" ", f" {values} --set-string global.image.tag={tag} ")),
        Substitution(r"--values gateway\.yaml", f"--values {file} {' '.join(PORT)}"),
        Substitution(r"--wait\b", "--wait --timeout 10m"),
    ]
    return script(section(DOCUMENT.read_text(), "Install two cells"), replaced)


class Cell(Installation):
    """One cell: its namespace and its release have its name."""

    deployments = ("pedidos", "estoque", "operator", "conferir", "painel")

    def __init__(self, cluster: Cluster, tag: str, name: str) -> None:
        super().__init__(cluster, tag, namespace=name)
        self.name = name
        self.host: str = table()["cells"][name]["hosts"][0]


class Cells:
    """The cells by name, and the gateway that they share."""

    def __init__(self, cluster: Cluster, tag: str, folder: Path) -> None:
        self.cluster = cluster
        self.tag = tag
        self.by_name = {name: Cell(cluster, tag, name) for name in CELLS}
        self._file = folder / "gateway.yaml"

    @property
    def installed(self) -> bool:
        """Whether the gateway's release exists already, as on a cluster kept from an earlier run."""
        return GATEWAY in self.helm("list", "--short").split()

    def helm(self, *args: str) -> str:
        """Runs helm in the gateway's namespace. Raises ToolError."""
        argv = ("helm", *args, "--namespace", GATEWAY)
        return run(*argv, seconds=480, environment=self.cluster.environment)

    def install(self) -> None:
        """Runs the document's section word for word, except for the substitutions. Raises ToolError."""
        self.cluster.load(*[f"reservaestoque/{program}:{self.tag}" for program in PROGRAMS], *third_party_images())
        self._file.write_text(libyaml.dump(table()))
        text = f"set -eu\n{commands(self.tag, self._file)}"
        run("sh", "-c", text, seconds=1800, environment=self.cluster.environment)
        for cell in self.by_name.values():
            cell.settle()

    def route(self, values: dict[str, Any]) -> None:
        """Gives the gateway another table, and waits until its old pods are gone. Raises ToolError."""
        self._file.write_text(libyaml.dump(values))
        self.helm(
            "upgrade", GATEWAY, "charts/gateway", "--values", str(self._file), *PORT, "--wait", "--timeout", "5m"
        )
        rollout = ("rollout", "status", "deployment/gateway", "--timeout=5m")
        self.cluster.kubectl(f"--namespace={GATEWAY}", *rollout, seconds=320)
        # A terminating pod drains, and still routes by the previous table.
        pods = self.cluster.kubectl("get", "pods", f"--namespace={GATEWAY}", "--output=json")
        terminating = [
            f"pod/{pod['metadata']['name']}"
            for pod in json.loads(pods)["items"]
            if "deletionTimestamp" in pod["metadata"]
        ]
        if terminating:
            gone = ("wait", "--for=delete", *terminating, "--timeout=2m")
            self.cluster.kubectl(f"--namespace={GATEWAY}", *gone, seconds=140)
