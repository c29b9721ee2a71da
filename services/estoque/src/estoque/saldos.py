"""Balances as customers see them: read from the database, without lapsed reservations."""

from collections.abc import Sequence
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import Meta

from reservaestoque.postgres import READ_SECONDS, Loader, Queries, Reader

MAX_PAGE = 500
MAX_LOOKUP = 500
READ_CONNECTIONS = 4

_sql = Queries("estoque")


class Saldo(msgspec.Struct, frozen=True):
    """Balance of a SKU in units: disponivel = quantidade - reservado - vendido."""

    sku: Annotated[str, Meta(examples=["CAMISETA-AZUL-M"])]
    nome: Annotated[str, Meta(description="The StockItem's display name.", examples=["Camiseta azul M"])]
    quantidade: Annotated[int, Meta(description="The supply in force, sold units included.", examples=[500])]
    reservado: Annotated[int, Meta(description="Held by reservations that have not lapsed.", examples=[3])]
    vendido: Annotated[int, Meta(description="Sold by closed orders.", examples=[120])]
    disponivel: Annotated[int, Meta(description="Available now.", examples=[377])]


class SaldoPage(msgspec.Struct, frozen=True):
    """Balances in SKU order; `proximo` is the cursor of the next page, null on the last."""

    itens: list[Saldo]
    proximo: Annotated[str, Meta(description="The cursor of the next page; null on the last.")] | None


class SaldoLookup(msgspec.Struct, frozen=True):
    """The SKUs to look up."""

    skus: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(min_length=1, max_length=MAX_LOOKUP, examples=[["CAMISETA-AZUL-M", "CAFE-ESPECIAL-250G"]]),
    ]


class SaldoLookupResult(msgspec.Struct, frozen=True):
    """The balances of the requested SKUs, in SKU order, and the SKUs that are unknown."""

    itens: list[Saldo]
    desconhecidos: Annotated[list[str], Meta(description="The requested SKUs that are unknown.")]


class Saldos:
    """Reads balances. Every method raises what asyncpg raises, and CrowdedError.

    Uses at most READ_CONNECTIONS connections of the pool, regardless of the number of callers. All but one of them
    belong to `lists`, for statements that share no connection.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._loader = Loader(self._by_sku)
        self.lists = Reader(pool, connections=READ_CONNECTIONS - 1)

    async def get(self, sku: str) -> Saldo | None:
        """The balance of a SKU; None when it is unknown."""
        return await self._loader.get(sku)

    async def page(self, cursor: str, limit: int) -> SaldoPage:
        """Up to `limit` balances after the SKU `cursor`; the empty cursor starts at the first."""
        rows = await self.lists.fetch(_sql["list_saldos"], cursor, limit + 1)
        itens = [Saldo(**row) for row in rows[:limit]]
        return SaldoPage(itens, itens[-1].sku if len(rows) > limit else None)

    async def look_up(self, skus: list[str]) -> list[Saldo]:
        """The balances of those of `skus` that exist, in SKU order."""
        return [Saldo(**row) for row in await self.lists.fetch(_sql["get_saldos"], skus)]

    async def _by_sku(self, skus: Sequence[str]) -> dict[str, Saldo]:
        rows = await self._pool.fetch(_sql["get_saldos"], skus, timeout=READ_SECONDS)
        return {row["sku"]: Saldo(**row) for row in rows}
