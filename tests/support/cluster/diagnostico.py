"""After a failure: all that a person would ask the cluster for, in one folder."""

import contextlib
import json
from pathlib import Path
from typing import Any

from cluster.ferramentas import FerramentaError
from cluster.instalacao import NAMESPACE
from cluster.kind import Cluster

OPERATORS = ("cnpg-system", "rabbitmq-system")
"""Namespaces of the operators of production's data stores; elsewhere they are not there and have no pods."""
DATA_STORES = "clusters.postgresql.cnpg.io,failoverquorums,rabbitmqclusters,users.rabbitmq.com,queues.rabbitmq.com"
TIPOS = "pods,jobs,deployments,statefulsets,services,endpointslices,hpa,pdb,networkpolicies,pvc,stockitems"


def guardar(cluster: Cluster, pasta: Path) -> None:
    """Writes the logs of all pods, those of containers that ended before too, events, and what `describe` says."""
    pasta.mkdir(parents=True, exist_ok=True)
    _escrever(cluster, pasta / "nodes.txt", "describe", "nodes")
    _escrever(cluster, pasta / "all.txt", "get", "all,pvc,pv,crd,events", "--all-namespaces", "--output=wide")
    _escrever(cluster, pasta / "events.txt", *_aqui("events"))
    _escrever(cluster, pasta / "describe.txt", *_aqui("describe", TIPOS))
    _escrever(cluster, pasta / "data-stores.yaml", *_aqui("get", DATA_STORES, "--output=yaml"))
    for namespace in (NAMESPACE, *OPERATORS):
        with contextlib.suppress(FerramentaError):
            pods = cluster.kubectl("get", "pods", f"--namespace={namespace}", "--output=json")
            for pod in json.loads(pods)["items"]:
                _logs(cluster, pasta / "logs", pod)


def _aqui(*args: str) -> tuple[str, ...]:
    return (f"--namespace={NAMESPACE}", *args)


def _logs(cluster: Cluster, pasta: Path, pod: dict[str, Any]) -> None:
    nome, status = pod["metadata"]["name"], pod["status"]
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        arquivo = f"{nome}.{container['name']}"
        onde = f"--namespace={pod['metadata']['namespace']}"
        pedir = ("logs", onde, nome, f"--container={container['name']}", "--timestamps")
        _escrever(cluster, pasta / f"{arquivo}.log", *pedir)
        if container["restartCount"]:
            _escrever(cluster, pasta / f"{arquivo}.previous.log", *pedir, "--previous")


def _escrever(cluster: Cluster, arquivo: Path, *args: str) -> None:
    arquivo.parent.mkdir(exist_ok=True)
    try:
        arquivo.write_text(cluster.kubectl(*args, segundos=60))
    except FerramentaError as falha:
        arquivo.write_text(f"{falha}\n")
