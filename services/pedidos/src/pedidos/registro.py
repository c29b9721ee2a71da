"""Group commit: commands that arrive while a commit is under way share the next one, and are answered after it.

One command never costs the others their commit: those whose lock somebody else holds leave the batch for a lane of
their own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from prometheus_client import Counter, Histogram

from pedidos import repositorio
from pedidos.comando import ChaveReutilizadaError, KeyBusyError, NovoComando
from pedidos.repositorio import Dono, Escopo
from reservaestoque.outbox import Relay
from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import logger

INTERVALO = 0.015
"""Seconds from the beginning of a commit to that of the next one, unless a whole batch waits, or the first had one
command only: who orders one at a time is not delayed. Batches cost nearly the same whatever is in them, here and in
all that follows: beyond some sixty a second they only grow smaller.
"""

PACIENCIA = 5.0
"""Seconds that a commit may take. Then the database is as good as away, though no connection has broken: a disk that
does not answer, a table under a lock. Who waits is told so, and who comes before that commit has ended is sent away
at once.
"""

CONTENDED_SECONDS = 2.0
"""How long a command waits for a lock that somebody else holds, such as that of its Idempotency-Key."""
_CONTENDED_PAUSE = 0.05

_log = logger(__name__)
_contended = Counter("pedidos_contended_commands_total", "Commands that had to wait for a lock apart from the others")
_batch = Histogram("pedidos_batch_commands", "Commands a commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200))


class LotadoError(Exception):
    """More commands wait for a commit than this replica takes on."""


class Registrado(NamedTuple):
    """What was committed: this command of this order, or the one that the same key stood for already.

    `criado_em` is there when the order was created just now.
    """

    comando_id: UUID
    pedido_id: UUID
    criado_em: datetime | None


_BUSY = "another request with this Idempotency-Key has not ended"
_SEM_RESPOSTA = f"a commit has not ended after {PACIENCIA:.0f} s"
_Espera = tuple[NovoComando, "asyncio.Future[Registrado]"]


class Registro:
    """Writes commands and new orders, up to `max_batch` a commit; with `max_waiting` waiting it takes no more."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        relay: Relay,
        *,
        max_batch: int,
        max_waiting: int,
        reenviar_apos: timedelta,
    ) -> None:
        self._pool = pool
        self._relay = relay
        self._max_batch = max_batch
        self._reenviar_apos = reenviar_apos
        self._waiting: asyncio.Queue[_Espera] = asyncio.Queue(max_waiting)
        self._contended: asyncio.Queue[tuple[_Espera, float]] = asyncio.Queue(max_waiting)
        self._parado = False

    async def registrar(self, comando: NovoComando) -> Registrado:
        """What is committed, once it is.

        Raises LotadoError at once when too many wait, ChaveReutilizadaError, KeyBusyError, and TimeoutError or what
        asyncpg raises when the command was not, or perhaps not, committed.
        """
        if self._parado:
            raise TimeoutError(_SEM_RESPOSTA)
        futuro: asyncio.Future[Registrado] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((comando, futuro))
        except asyncio.QueueFull:
            raise LotadoError(f"{self._waiting.maxsize} wait already") from None
        return await futuro

    async def run(self) -> None:
        """Commits what arrives until cancelled."""
        laco = asyncio.get_running_loop()
        cedo_demais = 0.0
        while True:
            batch = [await self._waiting.get()]
            if self._waiting.qsize() < self._max_batch - 1:
                await asyncio.sleep(max(0.0, cedo_demais - laco.time()))
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            cedo_demais = laco.time() + INTERVALO if len(batch) > 1 else 0.0
            vigia = laco.call_later(PACIENCIA, self._parar, batch)
            try:
                await self._atender(batch)
            finally:
                vigia.cancel()
                self._parado = False

    def _parar(self, batch: Sequence[_Espera]) -> None:
        """Lets those go whose commit is under way, which may end well or not, and those who wait for the next one."""
        self._parado = True
        presos = [*batch]
        while not self._waiting.empty():
            presos.append(self._waiting.get_nowait())
        vivos = [futuro for _, futuro in presos if not futuro.done()]
        _log.warning("commit_takes_too_long", seconds=PACIENCIA, commands=len(vivos))
        for futuro in vivos:
            futuro.set_exception(TimeoutError(_SEM_RESPOSTA))

    async def _atender(self, batch: Sequence[_Espera]) -> None:
        # Callers cancelled while queued are dropped.
        batch = [(comando, futuro) for comando, futuro in batch if not futuro.done()]
        if not batch:
            return
        try:
            resultados = await self.gravar([comando for comando, _ in batch])
        except Exception as fault:
            com_chave = [um for um in batch if um[0].chave is not None]
            if is_contended(fault) and com_chave:
                self._separar(com_chave)
                await self._atender([um for um in batch if um[0].chave is None])
                return
            if len(batch) > 1 and not is_transient(fault):
                for um in batch:  # one of them is at fault: the others shall not suffer
                    await self._atender([um])
                return
            resultados = [fault] * len(batch)
        _batch.observe(len(batch))
        self._relay.wake()
        for um, resultado in zip(batch, resultados, strict=True):
            if isinstance(resultado, KeyBusyError):
                self._separar([um])
            else:
                _responder(um, resultado)

    def _separar(self, contended: Sequence[_Espera]) -> None:
        """Moves commands to the lane of those that wait for a lock."""
        prazo = asyncio.get_running_loop().time() + CONTENDED_SECONDS
        _contended.inc(len(contended))
        for um in contended:
            self._esperar_tranca(um, prazo)

    def _esperar_tranca(self, um: _Espera, prazo: float) -> None:
        try:
            self._contended.put_nowait((um, prazo))
        except asyncio.QueueFull:
            _responder(um, LotadoError(f"{self._contended.maxsize} wait for a lock already"))

    async def run_contended(self) -> None:
        """Commits commands that wait for a lock, each by itself, until cancelled."""
        laco = asyncio.get_running_loop()
        while True:
            um, prazo = await self._contended.get()
            if um[1].done():
                continue
            resultado: Registrado | Exception = KeyBusyError(_BUSY)
            if laco.time() < prazo:  # each try may take as long as a lock is waited for
                resultado = await self._tentar(um[0])
            if isinstance(resultado, KeyBusyError) and laco.time() < prazo:
                self._esperar_tranca(um, prazo)
                await asyncio.sleep(_CONTENDED_PAUSE / self._contended.qsize())
                continue
            _responder(um, resultado)
            if isinstance(resultado, Registrado):
                self._relay.wake()
            elif is_transient(resultado):
                self._desistir(resultado)  # the database is away: none of them would fare better

    async def _tentar(self, comando: NovoComando) -> Registrado | Exception:
        try:
            [resultado] = await self.gravar([comando])
        except Exception as fault:
            return KeyBusyError(_BUSY) if is_contended(fault) else fault
        return resultado

    def _desistir(self, fault: Exception) -> None:
        while not self._contended.empty():
            um, _ = self._contended.get_nowait()
            _responder(um, fault)

    async def gravar(self, comandos: Sequence[NovoComando]) -> list[Registrado | Exception]:
        """Writes these commands in one commit, or none of them; what became of each, in order.

        That is KeyBusyError for a command whose key somebody else is claiming: it is not written. Raises what asyncpg
        raises.
        """
        if not any(comando.chave for comando in comandos):  # one statement is a transaction by itself
            criados = await repositorio.registrar(self._pool, comandos, self._reenviar_apos)
            return [_resultado(comando, {}, criados) for comando in comandos]
        async with self._pool.acquire() as connection, connection.transaction():
            donos = await repositorio.reivindicar(connection, comandos)
            novos = [comando for comando in comandos if _e_novo(comando, donos)]
            criados = await repositorio.registrar(connection, novos, self._reenviar_apos) if novos else {}
        return [_resultado(comando, donos, criados) for comando in comandos]


def _responder(um: _Espera, resultado: Registrado | Exception) -> None:
    _, futuro = um
    if futuro.done():
        return
    if isinstance(resultado, Exception):
        futuro.set_exception(resultado)
    else:
        futuro.set_result(resultado)


def _e_novo(comando: NovoComando, donos: Mapping[Escopo, Dono]) -> bool:
    if comando.chave is None:
        return True
    dono = donos.get(comando.chave.escopo)
    return dono is not None and dono.comando_id == comando.id


def _resultado(
    comando: NovoComando, donos: Mapping[Escopo, Dono], criados: Mapping[UUID, datetime]
) -> Registrado | Exception:
    if comando.chave is None or _e_novo(comando, donos):
        return Registrado(comando.id, comando.pedido_id, criados.get(comando.pedido_id))
    dono = donos.get(comando.chave.escopo)
    if dono is None:
        return KeyBusyError(_BUSY)
    if dono.corpo != comando.chave.corpo:
        return ChaveReutilizadaError("this Idempotency-Key came before, with another body")
    return Registrado(dono.comando_id, dono.pedido_id, None)
