"""The operator's rights in the cluster: what k8s/rbac grants is enough, and none of it could be left out."""

import json
import time
from pathlib import Path

import pytest
import yaml

from .conftest import manifesto

pytestmark = pytest.mark.integration

PAPEL = yaml.safe_load((Path(__file__).parents[3] / "k8s" / "rbac" / "operador.yaml").read_text())
DIREITOS = [
    (grupo, recurso, verbo)
    for regra in PAPEL["rules"]
    for grupo in regra["apiGroups"]
    for recurso in regra["resources"]
    for verbo in regra["verbs"]
]
NS = "direitos"


def papel(direitos):
    regras = [{"apiGroups": [g], "resources": [r], "verbs": [v]} for g, r, v in direitos]
    return json.dumps({**PAPEL, "metadata": {"name": "papel-de-teste"}, "rules": regras})


@pytest.fixture(scope="module")
def conta(sistema, tmp_path_factory):
    """A ServiceAccount's kubeconfig; it may do what the ClusterRole `papel-de-teste` says, in one namespace only."""
    sistema.stop("operator")
    sistema.kubectl("create", "namespace", NS)
    sistema.kubectl("create", "serviceaccount", "operador", f"--namespace={NS}")
    vinculo = ("papel-de-teste", "--clusterrole=papel-de-teste", f"--serviceaccount={NS}:operador")
    sistema.kubectl("create", "rolebinding", *vinculo, f"--namespace={NS}")
    kubeconfig = json.loads(sistema.kubeconfig.read_text())
    ficha = sistema.kubectl("create", "token", "operador", f"--namespace={NS}").strip()
    kubeconfig["users"][0]["user"] = {"token": ficha}
    arquivo = tmp_path_factory.mktemp("conta") / "kubeconfig"
    arquivo.write_text(json.dumps(kubeconfig))
    yield arquivo
    sistema.start("operator")


def aparece(mundo, nome):
    return mundo.status(nome, ns=NS).get("available") == 1


def muda(mundo, nome):
    if aparece(mundo, nome):
        mundo.aplicar(nome, ns=NS, quantity=2)
    return mundo.status(nome, ns=NS).get("available") == 2


def anuncia(mundo, nome):
    seletor = f"--field-selector=involvedObject.name={nome}"
    return "Claimed" in mundo.kubectl("get", "events", f"--namespace={NS}", seletor)


def some(mundo, nome):
    if mundo.ler(nome, ns=NS) is not None:
        mundo.apagar(nome, ns=NS)
    return mundo.ler(nome, ns=NS) is None


@pytest.fixture
def com_direitos(mundo, nome, conta, abrir_operador):
    """An operator with these rights; whether it does all it is there for within the time."""

    def experimentar(direitos, segundos):
        mundo.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=papel(direitos))
        mundo.kubectl("create", "--filename=-", stdin=json.dumps(manifesto(nome, ns=NS, quantity=1)))
        mundo.criados.append((NS, nome))
        # No resync after the first: what changes later comes through the watch.
        operador = abrir_operador(kubeconfig=conta, NAMESPACE=NS, RESYNC_INTERVAL="10m")
        fim = time.monotonic() + segundos
        feito = all(_ate(passo, mundo, nome, fim) for passo in (aparece, muda, anuncia, some))
        operador.processo.kill()
        return feito

    yield experimentar
    if mundo.ler(nome, ns=NS) is not None:
        mundo.kubectl("patch", "stockitem", nome, f"--namespace={NS}", "--type=merge", SEM_FINALIZADOR)


SEM_FINALIZADOR = '--patch={"metadata": {"finalizers": null}}'


def _ate(passo, mundo, nome, fim):
    while time.monotonic() < fim:
        if passo(mundo, nome):
            return True
        time.sleep(0.2)
    return False


def test_what_is_granted_is_enough(com_direitos):
    assert com_direitos(DIREITOS, 20)


@pytest.mark.parametrize("direito", DIREITOS, ids="-".join)
def test_none_of_it_could_be_left_out(com_direitos, direito):
    assert not com_direitos([d for d in DIREITOS if d != direito], 8)


def test_an_operator_of_one_namespace_looks_after_that_one_only(mundo, nome, conta, abrir_operador, ate):
    mundo.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=papel(DIREITOS))
    mundo.aplicar(nome, ns=NS, quantity=3)
    mundo.aplicar(f"{nome}-fora", quantity=3)
    mundo.por_linha_sem_item(f"{nome}-orfa")
    operador = abrir_operador(kubeconfig=conta, NAMESPACE=NS)
    ate(lambda: mundo.motivo(nome, ns=NS), "Synced")
    mundo.aplicar(f"{nome}-depois", ns=NS, sku=f"{nome}-fora", quantity=3)
    ate(lambda: mundo.motivo(f"{nome}-depois", ns=NS), "Synced", segundos=5)
    assert mundo.status(f"{nome}-fora") == {}
    ate(lambda: operador.metrica("operador_ressincronias_total") >= 2, True)
    assert f"{nome}-orfa" not in operador.registro.read_text(), "rows of other namespaces are not its concern"
    mundo.tirar_linha(f"{nome}-orfa")
    for meu in (nome, f"{nome}-depois"):
        mundo.apagar(meu, ns=NS)
        ate(lambda meu=meu: mundo.ler(meu, ns=NS), None)
