"""After a failure: everything that a person would query from the cluster, in one folder."""

import contextlib
import json
from pathlib import Path
from typing import Any

from cluster.cells import CELLS, GATEWAY
from cluster.installation import NAMESPACE
from cluster.kind import Cluster
from cluster.tools import ToolError

OPERATORS = ("cnpg-system", "rabbitmq-system")
"""Namespaces of the operators of production's data stores; elsewhere they do not exist and have no pods."""
DATA_STORES = "clusters.postgresql.cnpg.io,failoverquorums,rabbitmqclusters,users.rabbitmq.com,queues.rabbitmq.com"
KINDS = "pods,jobs,deployments,statefulsets,services,endpointslices,hpa,pdb,networkpolicies,pvc,stockitems"


def keep(cluster: Cluster, folder: Path) -> None:
    """Writes all pods' logs, including those of earlier containers, events, and the output of `describe`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(cluster, folder / "nodes.txt", "describe", "nodes")
    _write(cluster, folder / "all.txt", "get", "all,pvc,pv,crd,events", "--all-namespaces", "--output=wide")
    _namespace(cluster, folder, NAMESPACE)
    _write(cluster, folder / "data-stores.yaml", f"--namespace={NAMESPACE}", "get", DATA_STORES, "--output=yaml")
    for namespace in (GATEWAY, *CELLS):
        with contextlib.suppress(ToolError):
            cluster.kubectl("get", "namespace", namespace)
            _namespace(cluster, folder / namespace, namespace)
    for namespace in OPERATORS:
        _all_logs(cluster, folder, namespace)


def _namespace(cluster: Cluster, folder: Path, namespace: str) -> None:
    _write(cluster, folder / "events.txt", f"--namespace={namespace}", "events")
    _write(cluster, folder / "describe.txt", f"--namespace={namespace}", "describe", KINDS)
    _all_logs(cluster, folder, namespace)


def _all_logs(cluster: Cluster, folder: Path, namespace: str) -> None:
    with contextlib.suppress(ToolError):
        pods = cluster.kubectl("get", "pods", f"--namespace={namespace}", "--output=json")
        for pod in json.loads(pods)["items"]:
            _logs(cluster, folder / "logs", pod)


def _logs(cluster: Cluster, folder: Path, pod: dict[str, Any]) -> None:
    name, status = pod["metadata"]["name"], pod["status"]
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        file = f"{name}.{container['name']}"
        where = f"--namespace={pod['metadata']['namespace']}"
        order = ("logs", where, name, f"--container={container['name']}", "--timestamps")
        _write(cluster, folder / f"{file}.log", *order)
        if container["restartCount"]:
            _write(cluster, folder / f"{file}.previous.log", *order, "--previous")


def _write(cluster: Cluster, file: Path, *args: str) -> None:
    file.parent.mkdir(exist_ok=True)
    try:
        file.write_text(cluster.kubectl(*args, seconds=60))
    except ToolError as fault:
        file.write_text(f"{fault}\n")
