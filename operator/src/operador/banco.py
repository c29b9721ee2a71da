"""Everything the operator may do in PostgreSQL: the functions that estoque's migrations own."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from operador.saldo import Saldo
from operador.stockitem import StockItem
from reservaestoque.postgres import Pool, Queries, reachable

# A transaction commits later than the instant it writes into its rows; statements last 30 s at most, nearly all
# of them far less. What this misses the full resync finds.
SOBREPOSICAO = timedelta(seconds=10)
_PAGINA = 1000
PAGINA_DE_MUDADOS = 500
_COMECO = (0, 0)


class Banco:
    """Calls of the SQL functions. Every method raises what asyncpg raises; `is_transient` tells faults apart."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = Queries("operador")

    async def sincronizar(self, itens: Sequence[StockItem]) -> dict[tuple[str, str], Saldo | None]:
        """Makes the rows say what the items say; by (owner, SKU), the row now, None when there is none."""
        linhas = await self._pool.fetch(
            self._sql["sincronizar_itens"],
            [i.chave.dono for i in itens],
            [i.sku for i in itens],
            [i.nome for i in itens],
            [i.quantidade for i in itens],
            [i.pausado for i in itens],
            [i.limite_baixo for i in itens],
            [i.encerrar for i in itens],
        )
        return {
            (r["dono"], r["sku"]): _saldo(r, dono=r["dono_atual"]) if r["situacao"] is not None else None
            for r in linhas
        }

    async def agora(self) -> datetime:
        """The instant, by the database's clock: what to pass as `desde` after a read that began now."""
        instante: datetime = await self._pool.fetchval(self._sql["agora"])
        return instante

    async def paginas(self) -> AsyncIterator[list[Saldo]]:
        """All balances, a page at a time. Between two pages the connection waits in a transaction."""
        async with self._pool.acquire() as conexao, conexao.transaction(readonly=True):
            cursor = await conexao.cursor(self._sql["ler_saldos"])
            while linhas := await conexao.in_time(cursor.fetch(_PAGINA)):
                yield list(map(_saldo_lido, linhas))

    async def mudados(self, desde: datetime) -> AsyncIterator[list[Saldo]]:
        """Balances that may have changed since `desde`, a page at a time. Between two pages nothing is held."""
        lugar = _COMECO
        while True:
            linhas = await self._pool.fetch(
                self._sql["ler_saldos_mudados"], desde - SOBREPOSICAO, lugar, PAGINA_DE_MUDADOS
            )
            if linhas:
                yield list(map(_saldo_lido, linhas))
            if len(linhas) < PAGINA_DE_MUDADOS:
                return
            lugar = max(linha["lugar"] for linha in linhas)

    async def expirar(self, limite: int) -> int:
        """Sweeps up to `limite` lapsed reservations; how many it swept."""
        return int(await self._pool.fetchval(self._sql["expirar_reservas"], limite))

    async def atraso(self) -> float:
        """Seconds for which the oldest lapsed reservation has been waiting for the sweep; 0 when none does."""
        espera: timedelta = await self._pool.fetchval(self._sql["atraso_da_expiracao"])
        return espera.total_seconds()

    async def alcancavel(self) -> bool:
        """Whether the database answers."""
        return await reachable(self._pool)


def _saldo_lido(r: Any) -> Saldo:
    return _saldo(r, dono=r["dono"], nome=r["nome"], alterado_em=r["alterado_em"])


def _saldo(r: Any, *, dono: str | None, nome: str | None = None, alterado_em: datetime | None = None) -> Saldo:
    return Saldo(
        sku=r["sku"],
        dono=dono,
        situacao=r["situacao"],
        alvo=r["alvo"],
        quantidade=r["quantidade"],
        reservado=r["reservado"],
        vendido=r["vendido"],
        disponivel=r["disponivel"],
        limite_baixo=r["limite_baixo"],
        nome=nome,
        alterado_em=alterado_em,
    )
