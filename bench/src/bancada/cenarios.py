"""What is measured: each scenario gives one figure a round, `por_segundo`, and all that belongs to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bancada import carga
from bancada.distribuicao import DISTRIBUICOES
from bancada.loja import Loja, parada


@dataclass(frozen=True)
class Plano:
    """How long and how hard: `segundos` a window, `conexoes` customers at saturation, `prontos` waiting orders."""

    segundos: int = 20
    conexoes: int = 256
    prontos: int = 200_000


@dataclass(frozen=True)
class Cenario:
    """One scenario. `baseline`: the script of pgbench that is measured just before it, if any."""

    nome: str
    medir: Callable[[Loja, Plano], dict[str, Any]]
    baseline: str | None = None


def _ponta_a_ponta(distribuicao: str, itens: int, *, espera: bool) -> Callable[[Loja, Plano], dict[str, Any]]:
    def medir(loja: Loja, plano: Plano) -> dict[str, Any]:
        loja.esvaziar()
        corpos = loja.corpos(distribuicao, itens)
        return carga.fechada(loja, corpos, conexoes=plano.conexoes, segundos=plano.segundos, espera=espera)

    return medir


def _repouso(loja: Loja, plano: Plano) -> dict[str, Any]:
    loja.esvaziar()
    corpos = loja.corpos("uniforme", 3)
    return carga.fechada(loja, corpos, conexoes=1, segundos=plano.segundos, espera=True)


def _so_estoque(distribuicao: str, itens: int) -> Callable[[Loja, Plano], dict[str, Any]]:
    """Messages wait in the queue, as pedidos' relay makes them; then estoque starts, alone, and decides them."""

    def medir(loja: Loja, plano: Plano) -> dict[str, Any]:
        loja.esvaziar()
        with parada(loja.system, "estoque"):
            loja.deixar_prontos(plano.prontos, loja.corpos(distribuicao, itens))
            loja.ate(lambda: loja.sql("pedidos", "fila") == "0", 600, "pedidos has not published all orders")
            loja.repousar()
            loja.system.stop("pedidos")
        try:
            medida = _decidindo(loja, plano.prontos)
        finally:
            loja.system.start("pedidos")
        loja.esgotar()
        return medida

    return medir


def _decidindo(loja: Loja, quantos: int) -> dict[str, Any]:
    """estoque has just been started: waits until it has decided them all."""
    with loja.medindo() as medida:
        loja.ate(
            lambda: loja.metrica("estoque-1", "consumer_events_total") >= quantos,
            600,
            "estoque has not decided all that waits",
        )
    decisoes = json.loads(loja.sql("estoque", "decisoes_de_estoque"))
    return {**medida, "por_segundo": decisoes["por_segundo"], "decisoes": decisoes}


def _todos() -> Mapping[str, Cenario]:
    cenarios = []
    for distribuicao in DISTRIBUICOES:
        for itens in (1, 3):
            baseline = f"{'quente' if distribuicao == 'quente' else 'uniforme'}_{itens}"
            nome = f"{distribuicao}-{itens}"
            cenarios += [
                Cenario(f"e2e-{nome}", _ponta_a_ponta(distribuicao, itens, espera=True), baseline),
                Cenario(f"aceite-{nome}", _ponta_a_ponta(distribuicao, itens, espera=False), baseline),
                Cenario(f"estoque-{nome}", _so_estoque(distribuicao, itens), baseline),
            ]
    cenarios.append(Cenario("repouso", _repouso))
    return {cenario.nome: cenario for cenario in cenarios}


CENARIOS = _todos()
