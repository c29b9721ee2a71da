"""Rounds: baseline, system, baseline, system, … with the raw data kept and everything checked after each run."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bancada import baseline
from bancada.ambiente import descrever
from bancada.cpu import OUTROS
from bancada.loja import Loja
from bancada.plano import Cenario, Medida, Plano
from bancada.tabela import tabelas
from local_system import Config, Ports, System
from local_system.config import SETTINGS, parse_replicas

TENTATIVAS = 5


def correr(cenarios: Sequence[Cenario], plano: Plano, rodadas: int, folder: Path) -> str:
    """The tables. Raw data are in a folder of `folder` named for the time, one file a measurement."""
    with loja_nova(folder) as (loja, dados):
        (dados / "ambiente.json").write_text(json.dumps(descrever(loja.system, plano), indent=1) + "\n")
        medidas = [
            em_sossego(loja, cenario, plano, rodada, dados)
            for rodada in range(1, rodadas + 1)
            for cenario in cenarios
        ]
        for cenario in cenarios:
            if cenario.ao_fim:
                cenario.ao_fim(loja)
    texto = tabelas(medidas)
    (dados / "tabelas.md").write_text(texto + "\n")
    return f"{texto}\n\nraw data: {dados}"


@contextmanager
def loja_nova(folder: Path) -> Iterator[tuple[Loja, Path]]:
    """A system of its own that runs inside, and a new folder for raw data."""
    folder = folder.absolute()
    dados = folder / time.strftime("%Y%m%dT%H%M%S")
    dados.mkdir(parents=True)
    with _sistema(folder / "sistema") as system:
        loja = Loja(system, folder / "trabalho")
        loja.aquecer()
        yield loja, dados


def _sistema(state: Path) -> System:
    """An empty system beside whatever else runs here; settings and REPLICAS come from the environment."""
    if state.exists():
        System(Config(state=state)).clean()
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    replicas = parse_replicas(os.environ.get("REPLICAS", ""))
    return System(Config(state=state, ports=Ports.free(), replicas=replicas, settings=settings))


def em_sossego(loja: Loja, cenario: Cenario, plano: Plano, rodada: int, dados: Path) -> Medida:
    """One measurement, made again while others took more of a core than the plan allows; each of them is kept."""
    for tentativa in range(1, TENTATIVAS + 1):
        medida = _medir(loja, cenario, plano, rodada)
        barulhenta = _outros(medida) > plano.outros and tentativa < TENTATIVAS
        nome = f"{rodada:02}-{cenario.nome}" + (f"-discarded-{tentativa}" if barulhenta else "")
        (dados / f"{nome}.json").write_text(json.dumps(medida, indent=1) + "\n")
        print(_linha(medida) + (": again" if barulhenta else ""), flush=True)
        if not barulhenta:
            break
    return medida


def _medir(loja: Loja, cenario: Cenario, plano: Plano, rodada: int) -> Medida:
    medida: Medida = {"cenario": cenario.nome, "rodada": rodada, "inicio": time.time()}
    if cenario.baseline:
        baseline.preparar(loja.system)
        taxa = baseline.medir(loja.system, cenario.baseline, min(10, plano.segundos))
        medida["baseline"] = {"script": cenario.baseline, "por_segundo": taxa}
    medida |= cenario.medir(loja, plano)
    if not cenario.ao_fim and "conferir" not in medida:
        medida["conferir"] = loja.conferir()
    return medida


def _outros(medida: Medida) -> float:
    return float(medida["cpu"].get(OUTROS, 0.0) / medida["segundos_medidos"])


def _linha(medida: Medida) -> str:
    texto = f"round {medida['rodada']}: {medida['cenario']} {medida['por_segundo']:,.0f}/s"
    if "baseline" in medida:
        texto += f", baseline {medida['baseline']['por_segundo']:,.0f}/s"
    if "cliente" in medida:
        texto += f", p50 {medida['cliente']['p50']:.1f} ms, p99 {medida['cliente']['p99']:.1f} ms"
        if medida["cliente"]["falhas"]:
            texto += f", {medida['cliente']['falhas']} NOT DECIDED"
        if medida["cliente"]["atrasadas"] > medida["cliente"]["total"] / 100:
            texto += f", {medida['cliente']['atrasadas']} SENT LATE"
    return f"{texto}, {_outros(medida):.0%} of a core taken by others"
