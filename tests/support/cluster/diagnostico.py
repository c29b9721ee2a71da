"""After a failure: all that a person would ask the cluster for, in one folder."""

import contextlib
import json
from pathlib import Path
from typing import Any

from cluster.ferramentas import FerramentaError
from cluster.instalacao import NAMESPACE
from cluster.kind import Cluster

TIPOS = "pods,jobs,deployments,statefulsets,services,endpointslices,hpa,pdb,networkpolicies,pvc,stockitems"


def guardar(cluster: Cluster, pasta: Path) -> None:
    """Writes the logs of all pods, those of containers that ended before too, events, and what `describe` says."""
    pasta.mkdir(parents=True, exist_ok=True)
    _escrever(cluster, pasta / "nodes.txt", "describe", "nodes")
    _escrever(cluster, pasta / "all.txt", "get", "all,pvc,pv,crd,events", "--all-namespaces", "--output=wide")
    _escrever(cluster, pasta / "events.txt", *_aqui("events"))
    _escrever(cluster, pasta / "describe.txt", *_aqui("describe", TIPOS))
    with contextlib.suppress(FerramentaError):
        for pod in json.loads(cluster.kubectl(*_aqui("get", "pods", "--output=json")))["items"]:
            _logs(cluster, pasta / "logs", pod)


def _aqui(*args: str) -> tuple[str, ...]:
    return (f"--namespace={NAMESPACE}", *args)


def _logs(cluster: Cluster, pasta: Path, pod: dict[str, Any]) -> None:
    nome, status = pod["metadata"]["name"], pod["status"]
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        arquivo = f"{nome}.{container['name']}"
        pedir = _aqui("logs", nome, f"--container={container['name']}", "--timestamps")
        _escrever(cluster, pasta / f"{arquivo}.log", *pedir)
        if container["restartCount"]:
            _escrever(cluster, pasta / f"{arquivo}.previous.log", *pedir, "--previous")


def _escrever(cluster: Cluster, arquivo: Path, *args: str) -> None:
    arquivo.parent.mkdir(exist_ok=True)
    try:
        arquivo.write_text(cluster.kubectl(*args, segundos=60))
    except FerramentaError as falha:
        arquivo.write_text(f"{falha}\n")
