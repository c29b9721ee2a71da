"""Medians, minima, goals, and the tables that show them."""

from typing import Any

import pytest

from bancada.cenarios import CENARIOS, GRUPOS, escolher
from bancada.estatistica import resumir
from bancada.loja import BancadaError
from bancada.metas import METAS, avaliar
from bancada.perfil import tabela_de_cpu
from bancada.tabela import em_markdown, tabelas


def medida(cenario: str, rodada: int, por_segundo: float, base: float, ms: float = 10.0) -> dict[str, Any]:
    return {
        "cenario": cenario,
        "rodada": rodada,
        "por_segundo": por_segundo,
        "baseline": {"por_segundo": base},
        "cliente": {"p50": ms, "p99": 2 * ms},
        "sem": {"por_segundo": 2 * por_segundo},
        "segundos_ate_varrer": 100.0,
    }


def test_the_median_of_rounds_and_their_extremes() -> None:
    assert resumir([3, 1, 2]) == (2, 1, 3, 3)
    with pytest.raises(ValueError, match="no round"):
        resumir([])


def test_what_was_measured_side_by_side_is_compared() -> None:
    # The machine was twice as fast in the second round: the ratio stays.
    medidas = [medida("e2e-uniforme-3", 1, 500, 1000), medida("e2e-uniforme-3", 2, 1000, 2000)]
    [(meta, resumo)] = list(avaliar([{m["cenario"]: m} for m in medidas]))
    assert meta.nome == "end to end over baseline, uniform, 3 items"
    assert (resumo.mediana, resumo.minimo, resumo.maximo) == (0.5, 0.5, 0.5)


def test_every_goal_speaks_of_scenarios_that_there_are() -> None:
    rodada = {nome: medida(nome, 1, 100, 50) for nome in CENARIOS}
    assert [meta for meta, _ in avaliar([rodada])] == list(METAS)


def test_the_usual_groups_reach_every_goal() -> None:
    rodada = {nome: medida(nome, 1, 100, 50) for nome in [*GRUPOS["padrao"], *GRUPOS["longo"]]}
    assert [meta for meta, _ in avaliar([rodada])] == list(METAS)


def test_more_is_better_for_speed_and_less_for_time() -> None:
    rapida, lenta = METAS[0], next(meta for meta in METAS if not meta.ao_menos)
    assert [rapida.cumprida(resumir([v])) for v in (0.39, 0.4)] == [False, True]
    assert [lenta.cumprida(resumir([v])) for v in (lenta.limite, lenta.limite + 1)] == [True, False]


def test_the_tables_show_medians_minima_and_goals() -> None:
    texto = tabelas(
        [medida("e2e-quente-3", n, 1800 + n, 1000) for n in (1, 2, 3)] + [medida("repouso", 1, 60, 1, 16)]
    )
    assert "| e2e-quente-3 |    1,802 |   1,801 |    1,000 |  1.80 |    1.80 |   10.0 |   20.0 |      3 |" in texto
    assert (
        "| end to end over baseline, one hot SKU, 3 items |   1.80 |    1.80 |    1.80 | ≥ 1.8 | reached |" in texto
    )
    assert "p50 at rest (ms)" not in texto  # not every round has it


def test_rounds_that_say_nothing_of_a_goal_make_one_table() -> None:
    assert tabelas([medida("aceite-zipf-1", 1, 60, 1)]).count("rounds") == 1
    assert "goal" not in tabelas([medida("aceite-zipf-1", 1, 60, 1)])


def test_a_table_is_markdown() -> None:
    assert em_markdown([("a", "bb"), ("ccc", "1")]).splitlines() == ["| a   | bb |", "|-----|---:|", "| ccc |  1 |"]


def test_cpu_is_shown_a_core_and_an_order() -> None:
    cpu, mib = {"pedidos-1": 5.0, "wrk": 1.0}, {"depois": {"pedidos-1": 81.2}}
    texto = tabela_de_cpu({"segundos_medidos": 10.0, "por_segundo": 1000, "cpu": cpu, "mib": mib})
    assert texto.splitlines()[2:] == [
        "| pedidos-1 |     50.0% |       0.500 |  81 |",
        "| wrk       |     10.0% |       0.100 |     |",
        "| all       |     60.0% |       0.600 |     |",
    ]


def test_scenarios_are_chosen_by_name_and_by_group_each_once() -> None:
    assert [c.nome for c in escolher("repouso,rapido")] == ["repouso", *GRUPOS["rapido"][:-1]]
    with pytest.raises(BancadaError, match="there is no scenario 'nada'; there are rapido, "):
        escolher("repouso,nada")
