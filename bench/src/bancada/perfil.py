"""Where the time goes: CPU of each process while the system is saturated, and flame graphs of the two services."""

import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bancada import instrucoes
from bancada.loja import Loja
from bancada.plano import Cenario, Medida, Plano
from bancada.tabela import em_markdown

_PROGRAMAS = ("pedidos-1", "estoque-1")
_LONGE_DO_FIM = 600


def perfilar(loja: Loja, cenario: Cenario, plano: Plano, dados: Path, *, chamas: bool) -> str:
    """Tables of one measurement. With `chamas` a second one runs under py-spy, which costs time of its own."""
    contadas: list[instrucoes.Instrucao] = []
    medida = _observando(loja, cenario, plano, lambda: instrucoes.contando(loja, contadas))
    decididos = medida["por_segundo"] * medida["segundos_medidos"]
    tabelas = [
        f"{cenario.nome}: {medida['por_segundo']:,.0f} orders/s",
        tabela_de_cpu(medida),
        instrucoes.tabela_de_instrucoes(contadas, decididos),
    ]
    loja.conferir()
    if chamas:
        tabelas.append(_desenhar(loja, cenario, plano, dados))
    return "\n\n".join(tabelas)


def _desenhar(loja: Loja, cenario: Cenario, plano: Plano, dados: Path) -> str:
    grafico = dados / cenario.nome
    _observando(loja, cenario, plano, lambda: _sob_py_spy(loja, grafico))
    return "\n".join(f"flame graph: {arquivo}" for arquivo in sorted(dados.glob(f"{grafico.name}-*.svg")))


def _observando(
    loja: Loja, cenario: Cenario, plano: Plano, observar: Callable[[], AbstractContextManager[None]]
) -> Medida:
    """The scenario, with its window observed."""
    loja.observar = observar
    try:
        return cenario.medir(loja, plano)
    finally:
        loja.observar = nullcontext


def tabela_de_cpu(medida: Mapping[str, Any]) -> str:
    """A row a process: share of a core, milliseconds of CPU an order, MiB at the end."""
    segundos = medida["segundos_medidos"]
    decididos = medida["por_segundo"] * segundos
    gastos: Mapping[str, float] = {**medida["cpu"], "all": sum(medida["cpu"].values())}
    linhas = [
        (nome, f"{gasto / segundos:.1%}", f"{gasto * 1000 / decididos:.3f}", _mib(medida["mib"]["depois"].get(nome)))
        for nome, gasto in gastos.items()
    ]
    return em_markdown([("process", "of a core", "ms an order", "MiB"), *linhas])


def _mib(valor: float | None) -> str:
    return "" if valor is None else f"{valor:,.0f}"


@contextmanager
def _sob_py_spy(loja: Loja, grafico: Path) -> Iterator[None]:
    """Records both programs, where they run."""
    py_spy = Path(sysconfig.get_path("scripts")) / "py-spy"
    comando = [str(py_spy), "record", "--rate", "100", "--duration", str(_LONGE_DO_FIM), "--nonblocking"]
    pids = {nome: estado.pid for nome, estado in loja.system.states().items() if nome in _PROGRAMAS and estado.pid}
    espioes = [
        subprocess.Popen(
            [*comando, "--output", f"{grafico}-{nome}.svg", "--pid", str(pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for nome, pid in pids.items()
    ]
    try:
        yield
    finally:
        for espiao in espioes:
            espiao.send_signal(signal.SIGINT)  # it writes the graph then
        for espiao in espioes:
            espiao.wait(60)
