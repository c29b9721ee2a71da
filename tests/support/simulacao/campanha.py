"""Many seeds: scratch databases, several processes, a report."""

import asyncio
import itertools
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

import structlog
from copias import criar_migrado

from local_system import System
from simulacao.mutantes import MUTANTES
from simulacao.semente import BANCOS, MONITOR, FalhouError, Palco, rodar

_PORCAO = 25


@dataclass(frozen=True)
class Resultado:
    """What some seeds came to: how many were run, in how many steps, what was seen, and the first that failed."""

    sementes: int = 0
    passos: int = 0
    visto: Counter[str] = field(default_factory=Counter)
    falha: str | None = None
    culpada: int | None = None

    def __add__(self, outro: "Resultado") -> "Resultado":
        primeira = self if self.falha else outro
        return Resultado(
            self.sementes + outro.sementes,
            self.passos + outro.passos,
            self.visto + outro.visto,
            primeira.falha,
            primeira.culpada,
        )


def preparar(system: System, nome: str) -> dict[str, str]:
    """Scratch databases of this name on the servers of `system`, migrated; their addresses."""
    return {servico: criar_migrado(system, servico, f"simulacao_{servico}_{nome}") for servico in BANCOS}


def correr(urls: dict[str, str], sementes: Iterable[int], mutante: str | None = None) -> Resultado:
    """Runs these seeds one after another, up to the first that fails."""
    # The services warn of every mishap, and mishaps are what this is about.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return asyncio.run(_correr(urls, sementes, mutante))
    finally:
        structlog.reset_defaults()


async def _correr(urls: dict[str, str], sementes: Iterable[int], mutante: str | None) -> Resultado:
    feitas = passos = 0
    visto: Counter[str] = Counter()
    palco, oficina = Palco(urls), Palco(urls)
    await oficina.preparar((MONITOR,))
    mudado = MUTANTES[mutante].aplicado(oficina.conexao(MONITOR, "estoque")) if mutante else nullcontext()
    try:
        async with mudado:
            for semente in sementes:
                feitas += 1
                mundo = await rodar(palco, semente)
                passos += mundo.passos
                visto += mundo.visto
    except FalhouError as falha:
        return Resultado(feitas, passos, visto, str(falha), falha.semente)
    finally:
        palco.fechar()
        oficina.fechar()
    return Resultado(feitas, passos, visto)


def procurar(urls: dict[str, str], sementes: Iterable[int], mutantes: Iterable[str]) -> dict[str, Resultado]:
    """What these seeds make of each of these mistakes."""
    return {nome: correr(urls, sementes, nome) for nome in mutantes}


def correr_lado_a_lado(
    palcos: list[dict[str, str]], sementes: Iterable[int], segundos: float | None = None
) -> Resultado:
    """Runs seeds in as many processes as there are stages, up to the first that fails or until time is over."""
    fim = time.monotonic() + segundos if segundos else None
    total = Resultado()
    porcoes = _porcoes(sementes)
    with ProcessPoolExecutor(len(palcos), multiprocessing.get_context("spawn")) as processos:
        correndo = {
            processos.submit(correr, palco, porcao): palco for palco, porcao in zip(palcos, porcoes, strict=False)
        }
        while correndo:
            for feito in [f for f in correndo if f.done()] or [None]:
                if feito is None:
                    time.sleep(0.05)
                    continue
                palco = correndo.pop(feito)
                total += feito.result()
                porcao = next(porcoes, None)
                if porcao and not total.falha and (fim is None or time.monotonic() < fim):
                    correndo[processos.submit(correr, palco, porcao)] = palco
    return total


def _porcoes(sementes: Iterable[int]) -> Iterator[list[int]]:
    restantes = iter(sementes)
    while porcao := list(itertools.islice(restantes, _PORCAO)):
        yield porcao
