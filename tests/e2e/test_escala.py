"""Under load the autoscalers add replicas, Envoy finds them by DNS, and after it they go again; nobody notices."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from carga import Carga
from cluster import Instalacao
from cluster.instalacao import condicao
from loja import Loja, ate

pytestmark = pytest.mark.full

SERVICOS = ("pedidos", "estoque")
DNS_SEGUNDOS = 15
"""Envoy asks every 2 s, the cluster's DNS remembers for 5 s, a health check takes 1 s: and as much again."""


async def test_load_adds_replicas_which_serve_and_go_again_without_a_failed_request(
    loja: Loja, instalada: Instalacao, dizer: Callable[[str], None]
):
    skus = [f"H-{n}" for n in range(8)]
    for sku in skus:
        await loja.declarar(sku, 1_000_000)
    for servico in SERVICOS:
        await ate(lambda servico=servico: replicas(instalada, servico, 2), 240)
    async with Carga(loja.system.gateway_url, skus, por_segundo=3) as leve:
        inicio = time.monotonic()
        async with Carga(loja.system.gateway_url, skus, por_segundo=60) as carga:
            for servico in SERVICOS:
                await ate(lambda servico=servico: replicas(instalada, servico, 3), 180)
            cresceu = time.monotonic() - inicio
            demoras = {servico: await demora(instalada, servico) for servico in SERVICOS}
        inicio = time.monotonic()
        for servico in SERVICOS:
            await ate(lambda servico=servico: replicas(instalada, servico, 2), 240)
        encolheu = time.monotonic() - inicio
        await asyncio.sleep(10)  # what is sent to a pod that has gone would fail now
    dizer(
        f"scaled out after {cresceu:.0f} s, in after {encolheu:.0f} s; first request {demoras} s after ready\n"
        f"under load: {carga.resumo()}\nmeanwhile: {leve.resumo()}"
    )
    assert not carga.falhas + leve.falhas
    assert max(demoras.values()) < DNS_SEGUNDOS


async def replicas(instalada: Instalacao, servico: str, quantas: int) -> bool:
    """Whether a service has so many replicas, all ready."""
    await asyncio.sleep(1)
    return len(instalada.pods(servico)) == quantas and await asyncio.to_thread(instalada.prontos, servico)


async def demora(instalada: Instalacao, servico: str) -> float:
    """Seconds from the newest pod's readiness to the first request that Envoy sent it."""
    pod = instalada.pods(servico)[-1]
    pronto = condicao(pod, "Ready")["lastTransitionTime"]
    endereco = f'"upstream":"{pod["status"]["podIP"]}:8000"'

    async def primeira() -> str:
        linhas = await asyncio.to_thread(registros, instalada)
        return min((hora(linha) for linha in linhas if endereco in linha), default="")

    return (datetime.fromisoformat(await ate(primeira, 60)) - datetime.fromisoformat(pronto)).total_seconds()


def registros(instalada: Instalacao) -> list[str]:
    """The gateway's access log of the last minutes, of all its pods."""
    quais = ("--selector=app.kubernetes.io/name=gateway,app.kubernetes.io/component=gateway", "--tail=-1")
    return instalada.kubectl("logs", *quais, "--since=5m").splitlines()


def hora(linha: str) -> str:
    return linha.partition('"time":"')[2].partition('"')[0]
