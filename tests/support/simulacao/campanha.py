"""Many seeds: scratch databases, several processes, a report."""

import asyncio
import itertools
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from copias import criar_migrado

from local_system import System
from simulacao.mutantes import MUTANTES
from simulacao.semente import BANCOS, MONITOR, FalhouError, Palco, rodar

_PORCAO = 25

T = TypeVar("T")


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


def procurar(urls: dict[str, str], sementes: Iterable[int], mutante: str) -> tuple[str, Resultado]:
    """What these seeds make of this mistake."""
    return mutante, correr(urls, sementes, mutante)


def lado_a_lado(palcos: list[dict[str, str]], tarefas: Iterable[Callable[[dict[str, str]], T]]) -> Iterator[T]:
    """The results of the tasks as they come, each on a stage of its own, in as many processes as there are stages.

    The next task is asked for when the result before it has been taken.
    """
    restantes = iter(tarefas)
    with ProcessPoolExecutor(len(palcos), multiprocessing.get_context("spawn")) as processos:
        correndo = {processos.submit(tarefa, palco): palco for palco, tarefa in zip(palcos, restantes, strict=False)}
        while correndo:
            for feito in wait(correndo, return_when=FIRST_COMPLETED).done:
                palco = correndo.pop(feito)
                yield feito.result()
                if tarefa := next(restantes, None):
                    correndo[processos.submit(tarefa, palco)] = palco


def correr_lado_a_lado(
    palcos: list[dict[str, str]], sementes: Iterable[int], segundos: float | None = None
) -> Resultado:
    """Runs seeds in as many processes as there are stages, up to the first that fails or until time is over."""
    fim = time.monotonic() + segundos if segundos else None
    total = Resultado()

    def tarefas() -> Iterator[Callable[[dict[str, str]], Resultado]]:
        for porcao in _porcoes(sementes):
            if total.falha or (fim is not None and time.monotonic() >= fim):
                return
            yield partial(correr, sementes=porcao)

    for resultado in lado_a_lado(palcos, tarefas()):
        total += resultado
    return total


def _porcoes(sementes: Iterable[int]) -> Iterator[list[int]]:
    restantes = iter(sementes)
    while porcao := list(itertools.islice(restantes, _PORCAO)):
        yield porcao
