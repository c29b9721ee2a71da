"""Mistakes, put into the services' code on purpose: a simulation that does not find them proves nothing."""

import inspect
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import asyncpg

from estoque import batch, decision, writes
from estoque.pedido import Pedido
from operador.stock.database import Database
from pedidos import repository, resend, retention
from reservaestoque.bus import Batches
from reservaestoque.postgres import Queries

Aplicar = Callable[[asyncpg.Connection], AbstractAsyncContextManager[None]]
"""Puts the mistake in, given a connection to estoque's database, and takes it out again."""


@dataclass(frozen=True)
class Mutante:
    """A mistake: what is wrong, and how it is made."""

    erro: str
    mudancas: tuple[Aplicar, ...]

    @asynccontextmanager
    async def aplicado(self, estoque: asyncpg.Connection) -> AsyncIterator[None]:
        """The mistake is in the code inside, and out of it after."""
        async with AsyncExitStack() as pilha:
            for mudanca in self.mudancas:
                await pilha.enter_async_context(mudanca(estoque))
            yield


def _trocar(texto: str, antes: str, depois: str) -> str:
    if texto.count(antes) != 1:
        raise LookupError(f"{antes!r} stands {texto.count(antes)} times in:\n{texto}")
    return texto.replace(antes, depois)


def codigo(funcao: Any, *trocas: tuple[str, str]) -> Aplicar:
    """Other lines in a function; whoever has imported it gets the mistake too."""
    assert isinstance(funcao, FunctionType)

    @asynccontextmanager
    async def mudar(_: asyncpg.Connection) -> AsyncIterator[None]:
        fonte = textwrap.dedent(inspect.getsource(funcao))
        for antes, depois in trocas:
            fonte = _trocar(fonte, antes, depois)
        espaco: dict[str, Any] = {}
        exec(f"from __future__ import annotations\n{fonte}", funcao.__globals__, espaco)  # noqa: S102
        certo = funcao.__code__
        funcao.__code__ = espaco[funcao.__name__].__code__
        try:
            yield
        finally:
            funcao.__code__ = certo

    return mudar


def consulta(sql: Queries, nome: str, antes: str, depois: str) -> Aplicar:
    """Another text in a statement."""

    @asynccontextmanager
    async def mudar(_: asyncpg.Connection) -> AsyncIterator[None]:
        certa = sql[nome]
        sql._statements[nome] = _trocar(certa, antes, depois)
        try:
            yield
        finally:
            sql._statements[nome] = certa

    return mudar


def funcao_sql(nome: str, *trocas: tuple[str, str]) -> Aplicar:
    """Another text in a function of estoque's database."""

    @asynccontextmanager
    async def mudar(estoque: asyncpg.Connection) -> AsyncIterator[None]:
        certa = await estoque.fetchval("select pg_get_functiondef($1::regproc)", nome)
        errada = certa
        for antes, depois in trocas:
            errada = _trocar(errada, antes, depois)
        await estoque.execute(errada)
        try:
            yield
        finally:
            await estoque.execute(certa)

    return mudar


@asynccontextmanager
async def _varrer_em_dois_passos(estoque: asyncpg.Connection) -> AsyncIterator[None]:
    """Finds lapsed orders in one transaction and sweeps them in the next, without a second look at their time."""
    certa = await estoque.fetchval("select pg_get_functiondef('expirar_reservas'::regproc)")
    inicio, fim = certa.index("select array_agg(t.id)"), certa.index(") t;")
    achar = "select array_agg(t.id) into v_pedidos from (select p.id from pedido p where p.id = any (p_achados) "
    achar += "and p.status = 'EstoqueReservado' order by p.id for update skip locked"
    errada = certa[:inicio] + achar + certa[fim:]
    errada = errada.replace("expirar_reservas(p_limite integer)", "varrer_achados(p_achados uuid[])")
    await estoque.execute(errada)
    achados = "select array_agg(id) from pedido where status = 'EstoqueReservado' and expira_em <= agora()"

    async def expire(self: Database, limit: int) -> int:
        ids = await self._pool.fetchval(achados)
        return int(await self._pool.fetchval("select varrer_achados($1)", ids or []))

    certo = Database.expire
    Database.expire = expire  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.expire = certo  # type: ignore[method-assign]
        await estoque.execute("drop function varrer_achados")


_apagar = """delete from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida
        returning r.sku, r.quantidade"""
_deixar = "select r.sku, r.quantidade from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida"
_relogio = '        now = await connection.fetchval(_sql["agora"])\n'
_travar = "        await _lock_stock(connection, triage.new, [])\n"
_triagem = "        triage = await _triage(connection, commands, horizon)\n"

MUTANTES: dict[str, Mutante] = {
    "versao-ignorada": Mutante(
        "pedidos applies whatever snapshot comes, the older ones too",
        (
            codigo(repository.newest, ("event.data.versao > known.versao", "True")),
            consulta(repository._sql, "aplicar_status", " and p.versao < n.versao", ""),
        ),
    ),
    "confirma-antes-do-commit": Mutante(
        "messages are acknowledged before their effect is committed",
        (
            codigo(
                Batches._settle_next,
                ("        await source.acknowledge(settled)\n", "        pass\n"),
                (
                    "    messages = [delivery.message for delivery in deliveries]\n",
                    "    messages = [delivery.message for delivery in deliveries]\n"
                    "    await source.acknowledge(messages)\n",
                ),
            ),
        ),
    ),
    "lapso-ignorado": Mutante(
        "a reservation holds until it is swept",
        (
            codigo(
                Pedido.holds,
                ("self.expira_em is not None and self.expira_em > now", "self.expira_em is not None"),
            ),
        ),
    ),
    "relogio-antes-das-trancas": Mutante(
        "the clock is read before the locks are held",
        (codigo(batch.process, ("stock, now = await", "stock, _ = await"), (_triagem, _relogio + _triagem)),),
    ),
    "linha-devolvida-duas-vezes": Mutante(
        "the sweep gives units back and leaves the line, which is given back again",
        (funcao_sql("expirar_reservas", (_apagar, _deixar)),),
    ),
    "varre-pedido-renovado": Mutante(
        "the sweep takes orders that were renewed after it had found them", (_varrer_em_dois_passos,)
    ),
    "inbox-ignorada": Mutante(
        "events that come again take effect again",
        (codigo(batch._triage, ('triage.new if row["novo"] else triage.repeated', "triage.new")),),
    ),
    "uma-devolucao-esquecida": Mutante(
        "of an order's SKUs only the first is given back",
        (codigo(decision._Batch._release, ("pedido.lines.items()", "list(pedido.lines.items())[:1]")),),
    ),
    "pula-estoque-trancado": Mutante(
        "stock rows that somebody else has locked are skipped",
        (consulta(batch._sql, "travar_estoque", "for no key update", "for no key update skip locked"),),
    ),
    "estoque-antes-de-pedidos": Mutante(
        "stock rows are locked before orders, and the sweep locks orders first",
        (codigo(batch.process, (_triagem, _triagem + _travar)),),
    ),
    "nao-tudo-ou-nada": Mutante(
        "an order is refused only when all of its items lack",
        (codigo(decision._Batch._check_stock, ("    if missing:\n", "    if len(missing) == len(pedido.itens):\n")),),
    ),
    "lapsados-ficam-presos": Mutante(
        "lapsed units wait for the sweep before somebody else can have them",
        (codigo(batch._release_lapsed, ("if not missing:", "if True:")),),
    ),
    "recusa-esquecida": Mutante(
        "a refused command that comes again is answered as if it had been obeyed",
        (codigo(writes.write, ("if refusals:", "if False:")),),
    ),
    "chave-de-quem-vem-por-ultimo": Mutante(
        "an idempotency key stands for the last order that came with it",
        (
            consulta(
                repository._sql,
                "reivindicar_chaves",
                "c.recusa is not null and c.tipo <> 'PedidoCriado'",
                "true",
            ),
        ),
    ),
    "ninguem-pergunta": Mutante(
        "word of a sweep that was lost is never asked for",
        (codigo(resend.Resend.step, ("    await self._ask()\n", "")),),
    ),
    "question-ages-from-its-command": Mutante(
        "a lapse is asked about for so long after the command that made the reservation, which may hold for longer",
        (consulta(resend._sql, "perguntar_de_novo", "p.expira_em < agora() - $2", "c.criado_em < agora() - $2"),),
    ),
    "desiste-do-que-nao-publicou": Mutante(
        "a command that the broker was away for is given up and forgotten, with its message still in the outbox",
        (
            consulta(
                resend._sql, "reenviar_comandos", "exists (select from outbox o where o.comando_id = c.id)", "false"
            ),
            consulta(
                retention._sql,
                "purgar_comandos",
                "not exists (select from outbox o where o.comando_id = c.id)",
                "true",
            ),
        ),
    ),
    "cancela-o-renovado": Mutante(
        "an order that seems abandoned is cancelled although it has just been renewed",
        (codigo(decision._Batch._refuse, ("(command.data.versao or pedido.versao)", "pedido.versao")),),
    ),
    "a-frozen-party-holds-the-batch": Mutante(
        "a batch that waits for one row is held with all that is in it",
        (codigo(Batches._settle, ("contended = is_contended(fault)", "contended = False")),),
    ),
    "strangers-wait-for-a-key": Mutante(
        "an idempotency key that a frozen replica is claiming is waited for",
        (
            consulta(
                repository._sql,
                "reivindicar_chaves",
                "not pg_try_advisory_xact_lock(",
                "false and pg_try_advisory_xact_lock(",
            ),
        ),
    ),
    "the-clock-of-a-sku-goes-back": Mutante(
        "a batch is decided at what the clock says, although its SKUs changed later",
        (consulta(batch._sql, "travar_estoque", "greatest(max(t.alterado_em), $2::timestamptz)", "$2::timestamptz"),),
    ),
    "ninguem-reenvia": Mutante(
        "a command that was lost is never sent again",
        (codigo(resend.Resend.step, ("    await self._resend()\n", "")),),
    ),
}
"""The mistakes by name; each must be found."""
