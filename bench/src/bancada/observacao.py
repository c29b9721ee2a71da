"""What a running system shows of itself: CPU time, metrics, the gateway's answers, the instants in its databases."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from bancada import cpu
from bancada.loja import BancadaError, Loja


@contextmanager
def medindo(loja: Loja, **proprios: int) -> Iterator[dict[str, Any]]:
    """What happens inside is measured: afterwards the dictionary has `de`, `ate` (time.time()), `segundos_medidos`,
    `cpu` (seconds by name) and `mib` (memory by name, before and after). `proprios`: process ids of ours by name.
    """
    medida: dict[str, Any] = {}
    with loja.observar():
        de, antes = time.time(), _amostrar(loja, proprios)
        yield medida
        ate, depois = time.time(), _amostrar(loja, proprios)
    medida |= {"de": de, "ate": ate, "segundos_medidos": ate - de}
    medida |= {"cpu": cpu.gastos(antes, depois), "mib": {"antes": cpu.memoria(antes), "depois": cpu.memoria(depois)}}


def _amostrar(loja: Loja, proprios: Mapping[str, int]) -> cpu.Amostra:
    partes = {nome: estado.pid for nome, estado in loja.system.states().items() if estado.pid}
    return cpu.amostrar(partes, {"bancada": psutil.Process().pid, **proprios})


def janela(loja: Loja, medida: Mapping[str, Any]) -> dict[str, Any]:
    """What pedidos decided while it was measured, and `por_segundo`. Raises BancadaError when that is nothing."""
    vista = json.loads(loja.sql("pedidos", "janela", de=medida["de"], ate=medida["ate"]))
    if not vista["decididos"]:
        raise BancadaError(f"nothing was decided within {medida['segundos_medidos']:.1f} s")
    return {"janela": vista, "por_segundo": vista["decididos"] / medida["segundos_medidos"]}


def eventos_por_replica(loja: Loja) -> dict[str, float]:
    """How many events each replica of estoque has decided; 0 while it does not answer."""
    return {nome: _eventos(loja, nome) for nome in loja.system.names("estoque")}


def _eventos(loja: Loja, replica: str) -> float:
    try:
        texto = loja.http.get(f"{loja.system.program_url(replica)}/metrics").text
    except httpx.HTTPError:
        return 0.0
    return sum(map(float, re.findall(r"^consumer_events_total\{[^}]*\} (\S+)", texto, re.M)))


def participacao(loja: Loja, antes: Mapping[str, float]) -> dict[str, float]:
    """The same since `antes`. Raises BancadaError where a replica has decided nothing."""
    agora = eventos_por_replica(loja)
    parte = {nome: eventos - antes.get(nome, 0.0) for nome, eventos in agora.items()}
    if not all(parte.values()):
        raise BancadaError(f"not every replica of estoque has decided orders: {parte}")
    return parte


def respostas_do_gateway(loja: Loja) -> dict[str, int]:
    """How many requests pedidos has answered through the gateway, by HTTP status."""
    url = f"http://127.0.0.1:{loja.system.layout.ports.gateway_admin}/stats"
    texto = loja.http.get(url, params={"filter": r"^cluster\.pedidos\.upstream_rq_\d\d\d$"}).text
    return {codigo: int(n) for codigo, n in re.findall(r"upstream_rq_(\d\d\d): (\d+)", texto)}
