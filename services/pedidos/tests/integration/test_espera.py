"""What those who wait are told at the commit of an answer, on a real PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from local_system import System
from pedidos.comando import NovoComando, Tipo
from pedidos.consumidor import Consumidor
from pedidos.espera import Espera
from pedidos.registro import Registro
from reservaestoque.events import AtualizarStatus, Item, ItemEmFalta, Motivo, Status, StatusAtualizado, new_id
from reservaestoque.postgres import Connector, ServerWatch

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
APOS = timedelta(seconds=30)


class SemRelay:
    def wake(self) -> None: ...


@pytest.fixture
async def espera(backing: System, pedidos_db: "Pool[Any]") -> AsyncIterator[Espera]:
    connector = Connector(backing.database_url("pedidos"))
    espera = Espera(connector, ServerWatch(connector, program="pedidos"))
    ouve = asyncio.create_task(espera.run())
    ouvindo = "select count(*) from pg_stat_activity where application_name = 'pedidos listen' and state = 'idle'"
    async with asyncio.timeout(10):
        while not await pedidos_db.fetchval(ouvindo):
            await asyncio.sleep(0.01)
    yield espera
    ouve.cancel()


async def criar(pool: "Pool[Any]", quantos: int) -> list[NovoComando]:
    novos = [
        NovoComando(new_id(), new_id(), Tipo.CRIAR, "00-0-0-01", "ana", [Item("A", 1)], None) for _ in range(quantos)
    ]
    registro = Registro(pool, SemRelay(), max_batch=200, max_waiting=200, reenviar_apos=APOS)
    await registro.gravar(novos)
    return novos


def resposta(
    comando: NovoComando, *, versao: int = 1, faltam: int = 0, causa: Any = None, recusa: str | None = None
) -> AtualizarStatus:
    faltas = [ItemEmFalta(f"SKU-{n:050}", 1_000_000, 0, Motivo.SKU_DESCONHECIDO) for n in range(faltam)]
    dados = StatusAtualizado(
        pedido_id=comando.pedido_id,
        status=Status.ESTOQUE_NAO_DISPONIVEL,
        versao=versao,
        causa=causa or comando.id,
        recusa=recusa,
        itens_em_falta=faltas,
    )
    return AtualizarStatus(
        id=f"{comando.pedido_id}:{versao}",
        source="/t",
        subject=comando.pedido_id,
        time=datetime.now(UTC),
        data=dados,
    )


async def aplicar(pool: "Pool[Any]", *eventos: AtualizarStatus) -> None:
    assert await Consumidor(pool, perguntar_apos=APOS).handle(eventos) == []


async def test_a_batch_says_of_each_order_what_it_has_become(pedidos_db: "Pool[Any]", espera: Espera):
    novos = await criar(pedidos_db, 200)
    with contextlib.ExitStack() as todos:
        sinais = {novo.id: todos.enter_context(espera.inscrever(novo.pedido_id)) for novo in novos}
        await aplicar(pedidos_db, *(resposta(novo, faltam=n % 13) for n, novo in enumerate(novos)))
        async with asyncio.timeout(10):
            await asyncio.gather(*(sinal.wait() for sinal in sinais.values()))
    for n, novo in enumerate(novos):
        retrato = sinais[novo.id].retrato
        if n % 13 < 8:
            assert (retrato.causa, retrato.versao, len(retrato.itens_em_falta)) == (novo.id, 1, n % 13)
            linha = await pedidos_db.fetchrow("select * from pedido where id = $1", novo.pedido_id)
            assert (retrato.status, retrato.atualizado_em) == (linha["status"], linha["atualizado_em"])
            assert retrato.atualizado_em.tzinfo is not None
        else:
            assert retrato is None, "too long for a notification: to be read"


async def test_an_answer_that_changes_nothing_wakes_without_a_snapshot(pedidos_db: "Pool[Any]", espera: Espera):
    [novo] = await criar(pedidos_db, 1)
    await aplicar(pedidos_db, resposta(novo, versao=2, causa=new_id()))
    with espera.inscrever(novo.pedido_id) as sinal:
        await aplicar(pedidos_db, resposta(novo, versao=1))
        async with asyncio.timeout(10):
            while sinal.retrato or not sinal.is_set():  # that of version 2 may come in yet
                await asyncio.sleep(0.01)


async def test_of_several_answers_at_once_the_newest_snapshot_counts(pedidos_db: "Pool[Any]", espera: Espera):
    [novo] = await criar(pedidos_db, 1)
    fechar = new_id()
    with espera.inscrever(novo.pedido_id) as sinal:
        await aplicar(
            pedidos_db,
            resposta(novo, versao=1),
            resposta(novo, versao=2, causa=fechar, recusa="PedidoEncerrado"),
        )
        async with asyncio.timeout(10):
            await sinal.wait()
    assert (sinal.retrato.versao, sinal.retrato.causa, sinal.retrato.recusa) == (2, fechar, "PedidoEncerrado")
