"""pedidos and estoque with their real code on real databases; their messages are carried by hand."""

import asyncio
import random
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from conferir import prova
from conferir.concordancia import Criterio
from conferir.foto import Bancos
from conferir.metricas import VIOLACOES
from conferir.ronda import Ronda
from conferir.violacao import Regra, Violacao
from estoque.consumer import CommandConsumer
from estoque.events import to_event as status_event
from pedidos.command import CommandType, NewCommand
from pedidos.consumer import StatusConsumer as ConsumidorDePedidos
from pedidos.events import to_event as evento_de_comando
from pedidos.group_commit import GroupCommit
from reservaestoque.events import Comando, Item, new_id
from reservaestoque.postgres import Queries

HORIZONTE = timedelta(days=6)
CARENCIA = 0.3
PERGUNTAR = timedelta(seconds=30)

_pedidos = Queries("pedidos")
_estoque = Queries("estoque")


class SemRelay:
    def wake(self) -> None: ...


class Mundo:
    """A shop's day, step by step."""

    def __init__(self, pedidos: "asyncpg.Pool[Any]", estoque: "asyncpg.Pool[Any]", ttl: float = 3600) -> None:
        self.pedidos = pedidos
        self.estoque = estoque
        self.ttl = timedelta(seconds=ttl)
        self._registro = GroupCommit(
            pedidos, SemRelay(), max_batch=99, max_waiting=99, resend_after=timedelta(seconds=30)
        )

    async def abastecer(self, **alvos: int) -> None:
        for sku, alvo in alvos.items():
            await self.estoque.execute(
                "insert into estoque (sku, nome, alvo, quantidade) values ($1, $1, $2, $2)", sku, alvo
            )

    async def pedir(self, **itens: int) -> UUID:
        pedido = new_id()
        await self._mandar(pedido, CommandType.CRIAR, [Item(sku, n) for sku, n in itens.items()])
        return pedido

    async def mandar(self, pedido: UUID, tipo: CommandType) -> None:
        await self._mandar(pedido, tipo, None)

    async def _mandar(self, pedido: UUID, tipo: CommandType, itens: list[Item] | None) -> None:
        await self._registro.write([NewCommand(new_id(), pedido, tipo, "00-0-0-01", "ana", itens)])

    async def entregar(self) -> None:
        """Carries everything until nothing is left to carry."""
        while await self.levar_comandos() + await self.levar_fatos():
            pass

    async def levar_comandos(self) -> int:
        async with self.pedidos.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_pedidos["tomar_outbox"], 50, [])
            if rows:
                await self.aplicar([evento_de_comando(row) for row in rows])
        return len(rows)

    async def aplicar(self, comandos: list[Comando]) -> None:
        assert await CommandConsumer(self.estoque, SemRelay(), self.ttl, HORIZONTE).handle(comandos) == []

    async def levar_fatos(self) -> int:
        async with self.estoque.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_estoque["tomar_outbox"], 50, [])
            if rows:
                assert (
                    await ConsumidorDePedidos(self.pedidos, ask_after=PERGUNTAR).handle(
                        [status_event(row) for row in rows]
                    )
                    == []
                )
        return len(rows)

    async def varrer(self) -> int:
        return await self.estoque.fetchval("select expirar_reservas(100)")

    async def um_dia(self) -> dict[str, UUID]:
        """An order of each kind, everything told."""
        await self.abastecer(A=10, B=10)
        dia = {nome: await self.pedir(A=1, B=2) for nome in ("reservado", "fechado", "cancelado", "vencido")}
        dia["negado"] = await self.pedir(A=1, B=99)
        dia["adiantado"] = new_id()
        await self.mandar_sem_pedido(dia["adiantado"])
        await self.entregar()
        await self.mandar(dia["fechado"], CommandType.FECHAR)
        await self.mandar(dia["cancelado"], CommandType.CANCELAR)
        await self.mandar(dia["cancelado"], CommandType.RESERVAR)
        for tabela in ("pedido", "reserva"):
            chave = "id" if tabela == "pedido" else "pedido_id"
            await self.estoque.execute(
                f"update {tabela} set expira_em = agora() where {chave} = $1",  # noqa: S608 - our own names
                dia["vencido"],
            )
        assert await self.varrer() == 1
        await self.entregar()
        return dia

    async def mandar_sem_pedido(self, pedido: UUID) -> None:
        """A cancel reaches estoque before its order does."""
        await self._mandar(pedido, CommandType.CRIAR, [Item("A", 1)])
        await self.mandar(pedido, CommandType.CANCELAR)
        async with self.pedidos.acquire() as connection:
            transacao = connection.transaction()
            await transacao.start()
            rows = await connection.fetch(_pedidos["tomar_outbox"], 50, [])
            await transacao.rollback()  # they stay, to be published as well
        meus = [evento_de_comando(row) for row in rows if row["pedido_id"] == pedido]
        for comando in reversed(meus):
            await self.aplicar([comando])


async def provar(bancos: Bancos, *, em_repouso: bool = False, limite: int = 2) -> list[Violacao]:
    """The one-shot check, in slices of `limite` rows."""
    achadas: list[Violacao] = []
    resultado = await prova.conferir(bancos, Criterio(em_repouso=em_repouso), CARENCIA, achadas.append, limite)
    assert resultado.violacoes == len(achadas)
    assert resultado.incertos == 0
    return achadas


def contadas() -> dict[Regra, float]:
    return {regra: VIOLACOES.labels(regra.value)._value.get() for regra in Regra}


def nova_ronda(bancos: Bancos, *, limite: int = 2, carencia: float = CARENCIA) -> Ronda:
    recente = timedelta(minutes=2)
    return Ronda(bancos, Criterio(), carencia=timedelta(seconds=carencia), recente=recente, limite=limite)


async def rondar(bancos: Bancos, segundos: float = 3 * CARENCIA) -> set[Regra]:
    """The rules that the walkers find broken within so many seconds."""
    antes, ronda = contadas(), nova_ronda(bancos)
    fim = time.monotonic() + segundos
    while time.monotonic() < fim:
        assert await ronda.passo() is False
        await asyncio.sleep(0.01)
    return {regra for regra, n in contadas().items() if n > antes[regra]}


async def movimentar(mundo: Mundo, fim: float, semente: int) -> None:
    """A customer who orders, closes, cancels and renews at random until an instant of the steady clock."""
    sorte = random.Random(semente)
    meus: list[UUID] = []
    while time.monotonic() < fim:
        if not meus or sorte.random() < 0.5:
            meus.append(await mundo.pedir(**dict.fromkeys(sorte.sample("ABC", 2), sorte.randint(1, 2))))
        else:
            await mundo.mandar(
                sorte.choice(meus), sorte.choice([CommandType.FECHAR, CommandType.CANCELAR, CommandType.RESERVAR])
            )
        await asyncio.sleep(sorte.random() * 0.02)
