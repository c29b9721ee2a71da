"""A stranger's pod reaches the gateway and nothing else of the system."""

import json
import time

import pytest
from cluster import Instalacao
from cluster.instalacao import PARTES

pytestmark = pytest.mark.full

PORTAS = {
    "pedidos": [8000],
    "estoque": [8000],
    "operator": [8000],
    "conferir": [8000],
    "rabbitmq": [5672, 15672, 15692],
    "pedidos-db": [5432],
    "estoque-db": [5432],
    "gateway": [9901, 9902],
}
TENTAR = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def alcanca(onde):
    try:
        socket.create_connection(onde, 3).close()
    except OSError:
        return False
    return True
onde = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(onde)) as juntos:
    print(json.dumps(dict(zip(onde, juntos.map(alcanca, map(tuple, onde.values()))))))
"""


@pytest.mark.parametrize("namespace", ["reserva-estoque", "default"])
def test_a_stranger_reaches_the_gateway_and_nothing_else(instalada: Instalacao, namespace: str):
    assert set(PORTAS) == set(PARTES)
    enderecos = {
        f"{parte}:{porta}": (instalada.pods(parte)[0]["status"]["podIP"], porta)
        for parte, portas in PORTAS.items()
        for porta in portas
    }
    gateway = (instalada.ler("service", "gateway")["spec"]["clusterIP"], 80)
    alcancados = tentar(instalada, namespace, {**enderecos, "gateway": gateway})
    assert {nome for nome, alcancado in alcancados.items() if alcancado} == {"gateway"}


def tentar(instalada: Instalacao, namespace: str, onde: dict[str, tuple[str, int]]) -> dict[str, bool]:
    """What a pod that belongs to nobody can connect to."""
    nome = f"estranho-{int(time.time())}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": nome, "namespace": namespace},
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
                    "name": "estranho",
                    "image": f"reservaestoque/conferir:{instalada.tag}",
                    "command": ["python", "-c", TENTAR, json.dumps(onde)],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    kubectl = instalada.cluster.kubectl
    kubectl("apply", "--filename=-", entrada=json.dumps(pod))
    try:
        kubectl("wait", f"--namespace={namespace}", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{nome}")
        alcancados: dict[str, bool] = json.loads(kubectl("logs", f"--namespace={namespace}", nome))
        return alcancados
    finally:
        kubectl("delete", f"--namespace={namespace}", "pod", nome, "--now")
