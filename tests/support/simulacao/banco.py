"""What a party holds instead of a connection pool: the same calls, each of them a step that may go wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg import ConnectionDoesNotExistError, LockNotAvailableError, QueryCanceledError

from simulacao.mundo import Espera, Parte, Queda, Transacao, Violacao

_PACIENCIA = 0.005

DepoisDoCommit = Callable[[Parte, str], Awaitable[None]]


class Banco:
    """A party's way into a database (`nome`), on a real connection of its own."""

    def __init__(self, parte: Parte, nome: str, real: asyncpg.Connection, depois: DepoisDoCommit) -> None:
        self._parte = parte
        self._nome = nome
        self._real = real
        self._depois = depois

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Conexao"]:
        """A connection; one that broke stays broken, the next one is sound."""
        yield Conexao(self._parte, self._nome, self._real, self._depois)

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._sozinha("execute", sql, args)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return await self._sozinha("fetch", sql, args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self._sozinha("fetchrow", sql, args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._sozinha("fetchval", sql, args)

    async def _sozinha(self, metodo: str, sql: str, args: tuple[Any, ...]) -> Any:
        """A statement that is a transaction by itself."""
        async with self.acquire() as conexao, conexao.transaction(implicita=True):
            return await getattr(conexao, metodo)(sql, *args)


class Conexao:
    """A connection, as asyncpg's."""

    def __init__(self, parte: Parte, nome: str, real: asyncpg.Connection, depois: DepoisDoCommit) -> None:
        self._parte = parte
        self._nome = nome
        self._real = real
        self._depois = depois
        self._quebrada = False
        self._explicita = False

    @asynccontextmanager
    async def transaction(self, *, implicita: bool = False) -> AsyncIterator[None]:
        """A transaction. Dying or losing the connection before its commit undoes it, afterwards it does not."""
        transacao = self._real.transaction()
        await transacao.start()
        self._explicita = not implicita
        try:
            yield
            if not implicita:
                await self._passo("commit")
        except BaseException:
            self._parte.transacao = None
            await transacao.rollback()
            raise
        self._parte.transacao = None
        await transacao.commit()
        await self._depois(self._parte, self._nome)
        # The commit is done; what may be lost now is the answer.
        await self._passo("committed")

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._chamar(sql, self._real.execute, args)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return await self._chamar(sql, self._real.fetch, args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self._chamar(sql, self._real.fetchrow, args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._chamar(sql, self._real.fetchval, args)

    async def _chamar(self, sql: str, metodo: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        await self._passo(_resumo(sql))
        resposta = await self._executar(metodo(sql, *args))
        if self._explicita:
            self._parte.transacao = Transacao(self._nome, self._real.get_server_pid())
        return resposta

    async def _passo(self, nome: str) -> None:
        if self._quebrada:
            raise ConnectionDoesNotExistError("connection was closed in the middle of operation")
        try:
            await self._parte.vez(f"{self._nome} {nome}")
        except (Queda, ConnectionDoesNotExistError):
            self._quebrada = True
            raise

    async def _executar(self, chamada: Awaitable[Any]) -> Any:
        """Runs a statement; while it waits for a lock the others move."""
        parte, mundo = self._parte, self._parte.mundo
        tarefa = asyncio.ensure_future(chamada)
        tarefa.add_done_callback(lambda feita: feita.cancelled() or feita.exception())  # also when nobody waits
        parte.instante = mundo.agora
        await asyncio.wait({tarefa}, timeout=_PACIENCIA)
        if not tarefa.done():
            parte.presa = espera = Espera(tarefa, self._nome, self._real.get_server_pid())
            try:
                esperou = await self._esperar_tranca(espera)
            finally:
                parte.presa = None
            if esperou:
                parte.instante = mundo.agora
                await parte.vez("goes on", perigo=False)
            if espera.desistiu and isinstance(tarefa.exception(), QueryCanceledError):
                raise LockNotAvailableError("canceling statement due to lock timeout")
        return await tarefa

    async def _esperar_tranca(self, espera: Espera) -> bool:
        """Returns when the statement has ended; whether it had to wait for a lock, or was just slow.

        Only one party at a time waits in a database: of two, PostgreSQL would let either go on first.
        """
        mundo = self._parte.mundo
        while not espera.tarefa.done() and not await mundo.trancada_por(espera):
            await asyncio.wait({espera.tarefa}, timeout=_PACIENCIA)
        if espera.tarefa.done():
            return False
        outra = mundo.quem_espera(self._nome, menos=self._parte)
        if outra is None:
            mundo.anotar(f"{self._parte.nome}: … waits for a lock")
            mundo.visto["lock waited for"] += 1
            self._parte.parar()
        elif espera.pid in await mundo.trancada_por(outra) and outra.pid in await mundo.trancada_por(espera):
            raise Violacao(f"{self._parte.nome} met a deadlock")
        else:
            await mundo.desistir(self._parte)
        await asyncio.wait({espera.tarefa})
        return True


def _resumo(sql: str) -> str:
    """The line of a statement that says why it is there."""
    primeira = sql.strip().splitlines()[0]
    return primeira.removeprefix("-- ")[:70]
