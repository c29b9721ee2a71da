"""estoque's ledger, read in slices."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from conferir.contas import Linha, Sku, conferir_pedido, conferir_sku, faltam_linhas
from conferir.fatia import PRIMEIRO, ULTIMO, Fatia, K
from conferir.foto import Foto, fotografar
from conferir.pedido import Pedido
from conferir.violacao import Violacao
from reservaestoque.postgres import Connection, Queries

LIMITE = 5000

_sql = Queries("conferir")


async def violacoes(banco: "asyncpg.Pool[Any] | Connection", limite: int = LIMITE) -> list[Violacao]:
    """All that is wrong with the ledger, in one snapshot; `limite` rows are held at a time.

    On a connection in a transaction it is that one's view. Raises what asyncpg raises.
    """
    async with fotografar(banco) as foto:
        return [
            *await _todas(lambda depois: fatia_de_skus(foto, depois, limite), ""),
            *await _todas(lambda depois: fatia_de_pedidos(foto, depois, limite), PRIMEIRO),
        ]


async def _todas(ler: Callable[[K], Awaitable[Fatia[K]]], inicio: K) -> list[Violacao]:
    achadas: list[Violacao] = []
    depois: K | None = inicio
    while depois is not None:
        fatia = await ler(depois)
        achadas += fatia.violacoes
        depois = fatia.seguinte
    return achadas


async def fatia_de_skus(estoque: Foto, depois: str, limite: int) -> Fatia[str]:
    """Stock rows after a SKU against their lines. Raises what asyncpg raises."""
    rows = await estoque.connection.fetch(_sql["skus"], depois, limite)
    achadas = [violacao for row in rows for violacao in conferir_sku(Sku(*row))]
    return Fatia(len(rows), rows[-1]["sku"] if len(rows) == limite else None, achadas)


async def fatia_de_pedidos(estoque: Foto, depois: UUID, limite: int) -> Fatia[UUID]:
    """estoque's orders after an id against their lines, with those lines that have no order.

    Raises what asyncpg raises.
    """
    rows = await estoque.connection.fetch(_sql["pedidos_de_estoque"], depois, limite)
    seguinte: UUID | None = rows[-1]["id"] if len(rows) == limite else None
    linhas = await estoque.connection.fetch(_sql["linhas"], depois, seguinte or ULTIMO)
    por_pedido = {chave: list(grupo) for chave, grupo in groupby((Linha(*r) for r in linhas), lambda r: r.pedido_id)}
    pedidos: dict[UUID, Pedido | None] = {**dict.fromkeys(por_pedido), **{row["id"]: Pedido(*row) for row in rows}}
    achadas: list[Violacao] = []
    for chave, pedido in pedidos.items():
        proprias = por_pedido.get(chave, ())
        agora = estoque.agora
        if pedido is not None and faltam_linhas(pedido, proprias, agora):
            agora = await _relogio_dos_skus(estoque, pedido)
        achadas += conferir_pedido(chave, pedido, proprias, agora)
    return Fatia(len(rows), seguinte, achadas)


async def _relogio_dos_skus(estoque: Foto, pedido: Pedido) -> datetime:
    """The clock of the order's SKUs, which does not step back where that of the database does."""
    agora: datetime = await estoque.connection.fetchval(_sql["relogio_dos_skus"], pedido.itens, estoque.agora)
    return agora
