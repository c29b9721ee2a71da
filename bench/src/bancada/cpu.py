"""Where the CPU time goes: user and system time of each process of the machine, between two instants."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Amostra:
    """Seconds of CPU by process id, with the name of what the process belongs to; and of the whole machine."""

    processos: Mapping[int, tuple[str, float]]
    ocupado: float


OUTROS = "others on this machine"


def amostrar(partes: Mapping[str, int], proprios: Mapping[str, int]) -> Amostra:
    """`partes`: process id of each part of the system; `proprios`: the load generator's, …; both with descendants."""
    processos: dict[int, tuple[str, float]] = {}
    for parte, raiz in {**partes, **proprios}.items():
        for processo in _familia(raiz):
            try:
                tempos = processo.cpu_times()
                nome = nomear(parte, " ".join(processo.cmdline()))
            except psutil.Error:
                continue
            processos[processo.pid] = (nome, tempos.user + tempos.system)
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
    for pid, (nome, segundos) in depois.processos.items():
        soma[nome] = soma.get(nome, 0.0) + segundos - antes.processos.get(pid, (nome, 0.0))[1]
    soma[OUTROS] = max(0.0, depois.ocupado - antes.ocupado - sum(soma.values()))
    return {nome: gasto for nome, gasto in sorted(soma.items(), key=lambda par: -par[1]) if gasto}
