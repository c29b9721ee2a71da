"""Where the CPU time goes: user and system time of each process of the machine, between two instants."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import psutil


class Uso(NamedTuple):
    """What a process belongs to, its seconds of CPU so far, and the bytes of memory that it holds now."""

    nome: str
    segundos: float
    bytes: int = 0


@dataclass(frozen=True)
class Amostra:
    """Processes by id, and seconds of CPU of the whole machine."""

    processos: Mapping[int, Uso]
    ocupado: float


OUTROS = "others on this machine"


def amostrar(partes: Mapping[str, int], proprios: Mapping[str, int]) -> Amostra:
    """`partes`: process id of each part of the system; `proprios`: the load generator's, …; both with descendants."""
    processos: dict[int, Uso] = {}
    for parte, raiz in {**partes, **proprios}.items():
        for processo in _familia(raiz):
            try:
                tempos = processo.cpu_times()
                nome = nomear(parte, " ".join(processo.cmdline()))
            except psutil.Error:
                continue
            processos[processo.pid] = Uso(nome, tempos.user + tempos.system, processo.memory_info().rss)
    todos = psutil.cpu_times()
    return Amostra(processos, sum(todos) - todos.idle - getattr(todos, "iowait", 0.0))


def _familia(pid: int) -> list[psutil.Process]:
    try:
        raiz = psutil.Process(pid)
        return [raiz, *raiz.children(recursive=True)]
    except psutil.Error:
        return []


def nomear(parte: str, comando: str) -> str:
    """PostgreSQL's processes say in their title what they do: a role's connections, the checkpointer, …"""
    if not parte.startswith("postgres-"):
        return parte
    titulo = re.match(r"postgres: (.+)", comando)
    if titulo is None:
        return parte
    conexao = re.match(r"(\w+) \w+ [\d.]+\(\d+\)", titulo[1])
    return f"{parte}: {conexao[1] if conexao else titulo[1].strip()}"


def gastos(antes: Amostra, depois: Amostra) -> dict[str, float]:
    """Seconds of CPU by name between two samples, the largest first.

    A process that ended meanwhile is not counted by name but with the others: OUTROS is what the machine was busy
    beside ours.
    """
    soma: dict[str, float] = {}
    for pid, uso in depois.processos.items():
        ja_gasto = antes.processos[pid].segundos if pid in antes.processos else 0.0
        soma[uso.nome] = soma.get(uso.nome, 0.0) + uso.segundos - ja_gasto
    soma[OUTROS] = max(0.0, depois.ocupado - antes.ocupado - sum(soma.values()))
    return {nome: gasto for nome, gasto in sorted(soma.items(), key=lambda par: -par[1]) if gasto}


def memoria(amostra: Amostra) -> dict[str, float]:
    """MiB that programs hold, by name. Not of PostgreSQL: its processes share most of what they hold."""
    soma: dict[str, float] = {}
    for uso in amostra.processos.values():
        if not uso.nome.startswith("postgres-"):
            soma[uso.nome] = soma.get(uso.nome, 0.0) + uso.bytes / 2**20
    return soma
