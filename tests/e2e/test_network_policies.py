"""An unrelated pod can reach the gateway, but no other part of the system."""

import json
import time

import pytest
from cluster import Installation
from cluster.installation import PARTS

pytestmark = pytest.mark.full

PORTS = {
    "pedidos": [8000, 9000],
    "estoque": [8000, 9000],
    "operator": [9000],
    "conferir": [9000],
    "painel": [8000, 9000],
    "rabbitmq": [5672, 15672, 15692],
    "pedidos-db": [5432],
    "estoque-db": [5432],
    "gateway": [9901, 9902],
}
ATTEMPT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reaches(where):
    try:
        socket.create_connection(where, 3).close()
    except OSError:
        return False
    return True
where = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(where)) as pool:
    print(json.dumps(dict(zip(where, pool.map(reaches, map(tuple, where.values()))))))
"""


@pytest.mark.parametrize("namespace", ["reserva-estoque", "default"])
def test_other_pods_reach_the_gateway_and_nothing_else(installed: Installation, namespace: str):
    assert set(PORTS) == set(PARTS)
    addresses = {
        f"{part}:{port}": (installed.pods(part)[0]["status"]["podIP"], port)
        for part, ports in PORTS.items()
        for port in ports
    }
    gateway = (installed.read("service", "gateway")["spec"]["clusterIP"], 80)
    reached = attempt(installed, namespace, {**addresses, "gateway": gateway})
    assert {name for name, is_reached in reached.items() if is_reached} == {"gateway"}


def attempt(installed: Installation, namespace: str, where: dict[str, tuple[str, int]]) -> dict[str, bool]:
    """The addresses to which an unrelated pod can connect."""
    name = f"stranger-{int(time.time())}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "stranger",
                    "image": f"reservaestoque/conferir:{installed.tag}",
                    "command": ["python", "-c", ATTEMPT, json.dumps(where)],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    kubectl = installed.cluster.kubectl
    kubectl("apply", "--filename=-", stdin=json.dumps(pod))
    try:
        kubectl("wait", f"--namespace={namespace}", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}")
        reached: dict[str, bool] = json.loads(kubectl("logs", f"--namespace={namespace}", name))
        return reached
    finally:
        kubectl("delete", f"--namespace={namespace}", "pod", name, "--now")
