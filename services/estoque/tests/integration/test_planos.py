"""Statements of the batches are planned once, perhaps on empty tables: each must find its rows by key even so."""

import re
from typing import Any

import asyncpg
import pytest

from local_system import System
from reservaestoque.postgres import Queries, open_pool

pytestmark = pytest.mark.integration

SQL = Queries("estoque")
DOS_LOTES = (
    "registrar_eventos",
    "travar_pedidos",
    "travar_estoque",
    "ler_linhas",
    "atualizar_pedidos",
    "apagar_linhas",
    "anotar_recusas",
    "gravar_lote",
    "ler_recusas",
    "tomar_outbox",
)
LE_TUDO = re.compile(
    r"Seq Scan on (pedido|reserva|estoque|inbox|outbox)\b|Hash .*Join|Merge .*Join|Hash Join|Merge Join"
)


@pytest.mark.parametrize("nome", DOS_LOTES)
async def test_a_plan_that_is_made_once_reads_no_whole_table(
    backing: System, estoque_db: "asyncpg.Pool[Any]", nome: str
):
    parametros = max(int(n) for n in re.findall(r"\$(\d+)", SQL[nome]))
    url = backing.database_url("estoque")
    async with await open_pool(url, program="t", size=1, by_key=True) as pool, pool.acquire() as connection:
        await connection.execute(f"prepare lote as {SQL[nome]}")
        plano = await connection.fetch(f"explain execute lote({', '.join(['null'] * parametros)})")
    assert [linha[0] for linha in plano if LE_TUDO.search(linha[0])] == []
