"""Measuring under load: the generator runs, the databases are asked afterwards what happened in the window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bancada import gerador
from bancada.gerador import Processo
from bancada.loja import Loja
from bancada.observacao import janela, medindo, respostas_do_gateway

AQUECIMENTO = 3
ANTECEDENCIA = 3
_LIVRES = 256
_BORDA = 1  # seconds until all connections are open and busy


def fechada(loja: Loja, corpos: Path, *, conexoes: int, segundos: int, espera: bool) -> dict[str, Any]:
    """Saturation: `conexoes` customers, each of whom orders as soon as the last order was answered."""
    url = loja.system.gateway_url
    aquecer(loja, corpos, conexoes)
    comando = gerador.wrk(url, corpos, conexoes=conexoes, segundos=segundos + _BORDA, espera=espera)
    medida, saida = _sob_carga(loja, comando, segundos)
    return {**medida, "cliente": asdict(gerador.ler_wrk(saida))}


def aberta(loja: Loja, corpos: Path, *, conexoes: int, por_segundo: int, segundos: int) -> dict[str, Any]:
    """So many orders a second, whether they are answered or not, as long as one of `conexoes` customers is free.

    An order that was only accepted (202) was not decided in time: it counts as a failure.
    """
    aquecer(loja, corpos, 32)
    comando = gerador.wrk(
        loja.system.gateway_url,
        corpos,
        conexoes=max(_LIVRES, conexoes),
        segundos=segundos + _BORDA,
        por_segundo=por_segundo,
    )
    medida, saida = _sob_carga(loja, comando, segundos)
    visto = gerador.ler_wrk(saida)
    visto = replace(visto, falhas=visto.falhas + medida["respostas"].get("202", 0))
    return {**medida, "cliente": asdict(visto), "por_segundo_pedido": por_segundo}


def enquanto(loja: Loja, corpos: Path, *, conexoes: int, pronto: Callable[[], bool], segundos: int) -> dict[str, Any]:
    """Saturation from ANTECEDENCIA seconds after now until `pronto`. Raises BancadaError after `segundos`."""
    comando = gerador.wrk(loja.system.gateway_url, corpos, conexoes=conexoes, segundos=segundos + 30)
    with Processo(comando, segundos) as processo:
        time.sleep(ANTECEDENCIA)
        with medindo(loja, wrk=processo.pid) as medida:
            loja.ate(pronto, segundos, "what was waited for under load has not come", intervalo=2)
        processo.encerrar()
        saida = processo.saida()
    return {
        **medida,
        **janela(loja, medida),
        "cliente": asdict(gerador.ler_wrk(saida)),
    }


def aquecer(loja: Loja, corpos: Path, conexoes: int) -> None:
    """Fills caches and connection pools: the first seconds of a system are not what it can do."""
    comando = gerador.wrk(loja.system.gateway_url, corpos, conexoes=conexoes, segundos=AQUECIMENTO)
    with Processo(comando, AQUECIMENTO) as processo:
        processo.saida()


def _sob_carga(loja: Loja, comando: Sequence[str], segundos: int) -> tuple[dict[str, Any], str]:
    antes = respostas_do_gateway(loja)
    with Processo(comando, segundos) as processo:
        time.sleep(_BORDA)
        with medindo(loja, wrk=processo.pid) as medida:
            time.sleep(segundos - _BORDA / 2)  # the generator still runs when the window closes
        saida = processo.saida()
    depois = respostas_do_gateway(loja)
    esgotado = loja.esgotar()
    return {
        **medida,
        **janela(loja, medida),
        "respostas": {codigo: n - antes.get(codigo, 0) for codigo, n in depois.items() if n > antes.get(codigo, 0)},
        "segundos_para_esgotar": esgotado,
    }, saida
