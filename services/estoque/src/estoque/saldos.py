"""Balances as customers see them: read from the database, lapsed reservations left out."""

from collections.abc import Sequence
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import Meta

from reservaestoque.postgres import READ_SECONDS, Loader, Queries, Reader

MAX_LIMITE = 500
MAX_CONSULTA = 500
LEITURAS = 4

_sql = Queries("estoque")


class Saldo(msgspec.Struct, frozen=True):
    """Balance of a SKU in units: disponivel = quantidade - reservado - vendido."""

    sku: Annotated[str, Meta(examples=["CAMISETA-AZUL-M"])]
    nome: Annotated[str, Meta(description="The StockItem's name for people.", examples=["Camiseta azul M"])]
    quantidade: Annotated[int, Meta(description="All units ever supplied.", examples=[500])]
    reservado: Annotated[int, Meta(description="Held by reservations that have not lapsed.", examples=[3])]
    vendido: Annotated[int, Meta(description="Of closed orders.", examples=[120])]
    disponivel: Annotated[int, Meta(description="To be had now.", examples=[377])]


class Pagina(msgspec.Struct, frozen=True):
    """Balances in SKU order; `proximo` is the cursor of the next page, null on the last."""

    itens: list[Saldo]
    proximo: Annotated[str, Meta(description="The cursor of the next page; null on the last.")] | None


class Consulta(msgspec.Struct, frozen=True):
    """Which SKUs to look up."""

    skus: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(min_length=1, max_length=MAX_CONSULTA, examples=[["CAMISETA-AZUL-M", "CAFE-ESPECIAL-250G"]]),
    ]


class Resposta(msgspec.Struct, frozen=True):
    """The balances of the SKUs that there are, in SKU order, and the SKUs that there are not."""

    itens: list[Saldo]
    desconhecidos: Annotated[list[str], Meta(description="Those of the SKUs asked for that there are not.")]


class Saldos:
    """Reads balances. Every method raises what asyncpg raises, and CrowdedError.

    Takes LEITURAS connections of the pool at most, however many ask.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._um = Loader(self._por_sku)
        self._muitos = Reader(pool, connections=LEITURAS - 1)

    async def obter(self, sku: str) -> Saldo | None:
        """The balance of a SKU, or None when there is none such."""
        return await self._um.get(sku)

    async def listar(self, cursor: str, limite: int) -> Pagina:
        """Up to `limite` balances after the SKU `cursor`; the empty cursor begins."""
        rows = await self._muitos.fetch(_sql["listar_saldos"], cursor, limite + 1)
        itens = [Saldo(**row) for row in rows[:limite]]
        return Pagina(itens, itens[-1].sku if len(rows) > limite else None)

    async def consultar(self, skus: list[str]) -> list[Saldo]:
        """The balances of those of `skus` that exist, in SKU order."""
        return [Saldo(**row) for row in await self._muitos.fetch(_sql["consultar_saldos"], skus)]

    async def _por_sku(self, skus: Sequence[str]) -> dict[str, Saldo]:
        rows = await self._pool.fetch(_sql["consultar_saldos"], skus, timeout=READ_SECONDS)
        return {row["sku"]: Saldo(**row) for row in rows}
