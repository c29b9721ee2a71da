"""Which SQL statements take PostgreSQL's time, by pg_stat_statements."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bancada.loja import Loja
from bancada.tabela import em_markdown

Instrucao = tuple[str, dict[str, Any]]
"""A database, and what `instrucoes.sql` says of a statement there."""

_BANCOS = ("pedidos", "estoque")
_LARGURA = 90


def contar(loja: Loja) -> None:
    """From now on; both servers are started anew for it."""
    for banco in _BANCOS:
        loja.psql(banco, "alter system set shared_preload_libraries = 'pg_stat_statements';")
        loja.system.restart(f"postgres-{banco}")
        loja.psql(banco, "create extension if not exists pg_stat_statements;")
        loja.psql(banco, "alter system set pg_stat_statements.track_planning = on;")
        loja.psql(banco, "select pg_reload_conf();")


@contextmanager
def contando(loja: Loja, contadas: list[Instrucao]) -> Iterator[None]:
    """What runs inside is in `contadas` afterwards, and nothing else."""
    for banco in _BANCOS:
        loja.psql(banco, "do 'begin perform pg_stat_statements_reset(); end';")
    yield
    contadas[:] = [(banco, json.loads(um)) for banco in _BANCOS for um in loja.sql(banco, "instrucoes").splitlines()]


def tabela_de_instrucoes(contadas: Sequence[Instrucao], decididos: float) -> str:
    """A row a statement: how often, how long to plan and to carry out, and how long an order."""
    linhas = [_linha(banco, instrucao, decididos) for banco, instrucao in contadas]
    return em_markdown([("statement", "calls", "ms planned", "ms carried out", "ms an order"), *linhas])


def _linha(banco: str, instrucao: dict[str, Any], decididos: float) -> Sequence[str]:
    plano, ms, chamadas = instrucao["ms_de_plano"], instrucao["ms"], instrucao["chamadas"]
    nome = f"{banco}: {instrucao['instrucao']}"[:_LARGURA]
    return (
        nome,
        f"{chamadas:,}",
        f"{plano / chamadas:.2f}",
        f"{ms / chamadas:.2f}",
        f"{(plano + ms) / decididos:.3f}",
    )
