"""Measuring under load: the generator runs, the databases are asked afterwards what happened in the window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bancada import geradores
from bancada.geradores import Processo, Respostas
from bancada.loja import Loja
from bancada.observacao import janela, medindo, respostas_do_gateway

AQUECIMENTO = 3
ANTECEDENCIA = 3
_BORDA = 1  # seconds until all connections are open and busy


def fechada(loja: Loja, corpos: Path, *, conexoes: int, segundos: int, espera: bool) -> dict[str, Any]:
    """Saturation: `conexoes` customers, each of whom orders as soon as the last order was answered."""
    url = loja.system.gateway_url
    aquecer(loja, corpos, conexoes)
    comando = geradores.wrk(url, corpos, conexoes=conexoes, segundos=segundos + _BORDA, espera=espera)
    medida, saida = _sob_carga(loja, "wrk", comando, segundos)
    return {**medida, "cliente": asdict(geradores.ler_wrk(saida))}


def aberta(loja: Loja, corpos: Path, *, por_segundo: int, segundos: int) -> dict[str, Any]:
    """So many orders a second, whether they are answered or not."""
    alvos, resultados = loja.arquivo("alvos.jsonl"), loja.arquivo("vegeta.bin")
    geradores.escrever_alvos(loja.system.gateway_url, corpos, alvos)
    aquecer(loja, corpos, 32)
    comando = geradores.vegeta(alvos, resultados, por_segundo=por_segundo, segundos=segundos + _BORDA)
    medida, _ = _sob_carga(loja, "vegeta", comando, segundos)
    respostas: Respostas = geradores.relatorio_vegeta(resultados)
    return {**medida, "cliente": asdict(respostas), "por_segundo_pedido": por_segundo}


def enquanto(loja: Loja, corpos: Path, *, conexoes: int, pronto: Callable[[], bool], segundos: int) -> dict[str, Any]:
    """Saturation from ANTECEDENCIA seconds after now until `pronto`. Raises BancadaError after `segundos`."""
    comando = geradores.wrk(loja.system.gateway_url, corpos, conexoes=conexoes, segundos=segundos + 30, espera=True)
    with Processo(comando, segundos) as processo:
        time.sleep(ANTECEDENCIA)
        with medindo(loja, wrk=processo.pid) as medida:
            loja.ate(pronto, segundos, "what was waited for under load has not come", intervalo=2)
        processo.encerrar()
        saida = processo.saida()
    return {
        **medida,
        **janela(loja, medida),
        "cliente": asdict(geradores.ler_wrk(saida)),
    }


def aquecer(loja: Loja, corpos: Path, conexoes: int) -> None:
    """Fills caches and connection pools: the first seconds of a system are not what it can do."""
    comando = geradores.wrk(loja.system.gateway_url, corpos, conexoes=conexoes, segundos=AQUECIMENTO, espera=True)
    with Processo(comando, AQUECIMENTO) as processo:
        processo.saida()


def _sob_carga(loja: Loja, nome: str, comando: Sequence[str], segundos: int) -> tuple[dict[str, Any], str]:
    antes = respostas_do_gateway(loja)
    with Processo(comando, segundos) as processo:
        time.sleep(_BORDA)
        with medindo(loja, **{nome: processo.pid}) as medida:
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
