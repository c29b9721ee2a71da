"""Upgrade and rollback while customers order; uninstalling and installing again, with data and StockItems kept."""

import asyncio
import time
from collections.abc import Callable

import pytest
from carga import Carga, ids_de
from cluster import FerramentaError, Instalacao, executar
from cluster.instalacao import PROGRAMAS
from loja import Loja, ate

pytestmark = pytest.mark.full


async def test_upgrade_and_rollback_under_load_fail_no_request(
    loja: Loja, instalada: Instalacao, dizer: Callable[[str], None]
):
    """Another tag for every program and another annotation for the gateway: every pod is replaced, twice."""
    skus = [f"U-{n}" for n in range(8)]
    for sku in skus:
        await loja.declarar(sku, 1_000_000)
    outra = outro_tag(instalada)
    antes = nomes(instalada)
    async with Carga(loja.system.gateway_url, skus, por_segundo=15) as carga:
        await asyncio.sleep(3)
        inicio = time.monotonic()
        await asyncio.to_thread(instalada.instalar, "--set-string", "gateway.podAnnotations.rodada=2", tag=outra)
        subiu = time.monotonic() - inicio
        durante = nomes(instalada)
        await asyncio.to_thread(instalada.conferir)
        inicio = time.monotonic()
        await asyncio.to_thread(instalada.helm, "rollback", "loja", "--wait", "--timeout", "6m")
        await asyncio.to_thread(instalada.assentar)
        voltou = time.monotonic() - inicio
        await asyncio.sleep(10)
    depois = nomes(instalada)
    dizer(f"upgrade {subiu:.0f} s, rollback {voltou:.0f} s: {carga.resumo()}")
    assert not antes & durante
    assert not durante & depois
    assert not carga.falhas
    assert carga.aceitos <= await ids_de(loja.client, carga.cliente)
    assert not await ids_de(loja.client, carga.cliente, status="Criado")


def outro_tag(instalada: Instalacao) -> str:
    """The same images by another tag: for Kubernetes another release."""
    outra = f"{instalada.tag}-outra"
    imagens = [f"reservaestoque/{programa}" for programa in PROGRAMAS]
    for imagem in imagens:
        executar("docker", "tag", f"{imagem}:{instalada.tag}", f"{imagem}:{outra}")
    instalada.cluster.carregar(*[f"{imagem}:{outra}" for imagem in imagens])
    executar("docker", "rmi", *[f"{imagem}:{outra}" for imagem in imagens])
    return outra


def nomes(instalada: Instalacao) -> set[str]:
    """The pods of the release `loja` that are there to stay."""
    partes = ("pedidos", "estoque", "operator", "conferir", "gateway")
    return {pod["metadata"]["name"] for parte in partes for pod in instalada.pods(parte)}


async def nada_resta(instalada: Instalacao) -> bool:
    """Whether everything of the release `loja` has gone; pods take leave after what made them."""
    tipos = "deployments,replicasets,services,hpa,pdb,networkpolicies,configmaps,serviceaccounts,jobs,pods"
    quais = (tipos, "--selector=app.kubernetes.io/instance=loja", "--output=name")
    return not await asyncio.to_thread(instalada.kubectl, "get", *quais)


async def test_uninstalling_leaves_nothing_stuck_and_a_new_install_goes_on(loja: Loja, instalada: Instalacao):
    await loja.declarar("V-A", 10)
    await loja.declarar("V-B", 1)
    vendido = (await loja.pedir(**{"V-A": 3})).json()["pedidoId"]
    assert (await loja.client.post(f"/pedidos/{vendido}/fechar", headers={"Prefer": "wait=10"})).status_code == 200
    antes, saldo = instalada.ler("stockitems")["items"], await loja.saldo("V-A")

    instalada.helm("uninstall", "loja", "--wait", "--timeout", "3m")
    await ate(lambda: nada_resta(instalada), 90)
    assert [item["metadata"]["uid"] for item in instalada.ler("stockitems")["items"]] == [
        item["metadata"]["uid"] for item in antes
    ]
    # What is deleted while nobody is there to take leave of it waits for the operator.
    instalada.kubectl("delete", "stockitem", "v-b", "--wait=false")

    await asyncio.to_thread(instalada.instalar)

    async def de_volta() -> bool:
        """Envoy has found both services again."""
        caminhos = ("/estoque/V-A", f"/pedidos/{vendido}")
        return {(await loja.client.get(caminho)).status_code for caminho in caminhos} == {200}

    await ate(de_volta, 30)
    assert await loja.status(vendido) == "Fechado"
    assert await loja.saldo("V-A") == saldo
    assert (await loja.pedir(**{"V-A": 1})).json()["status"] == "EstoqueReservado"
    instalada.kubectl("wait", "--for=delete", "stockitem/v-b", "--timeout=60s")
    with pytest.raises(FerramentaError, match="NotFound"):
        instalada.kubectl("get", "stockitem", "v-b")
