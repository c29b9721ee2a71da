"""Every rule on real databases: broken by hand it is found, by the command and by the walkers; else nothing is."""

from typing import Any
from uuid import UUID

import pytest

from conferir import livro
from conferir.foto import Bancos
from conferir.violacao import IMEDIATAS, Regra
from conferir_integration.mundo import Mundo, provar, rondar
from pedidos.command import CommandType
from pedidos.events import to_event as evento_de_comando
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

R = Regra
NO_ESTOQUE: dict[str, tuple[str, set[Regra]]] = {
    "more sold than supplied": ("update estoque set vendido = 99 where sku = 'A'", {R.SUPRIMENTO, R.CONTADORES}),
    "supply that nobody declared": ("update estoque set quantidade = 11 where sku = 'B'", {R.SUPRIMENTO}),
    "more reserved than lines": ("update estoque set reservado = reservado + 1 where sku = 'A'", {R.CONTADORES}),
    "fewer sold than lines": ("update estoque set vendido = vendido - 1 where sku = 'B'", {R.CONTADORES}),
    "archived but still there": ("update estoque set arquivado = 1 where sku = 'A'", {R.CONTADORES}),
    "a line that was freed twice": (
        "with d as (delete from reserva where sku = 'A' and pedido_id = '{reservado}' returning quantidade) "
        "update estoque set reservado = reservado - d.quantidade from d where sku = 'A'",
        {R.LINHAS},
    ),
    "sold lines that are gone": ("delete from reserva where pedido_id = '{fechado}'", {R.LINHAS, R.CONTADORES}),
    "a line that lapses alone": (
        "update reserva set expira_em = expira_em + '1 s' where pedido_id = '{reservado}' and sku = 'A'",
        {R.LINHAS},
    ),
    "a line of a cancelled order": (
        "with i as (insert into reserva values ('{cancelado}', 'A', 1, agora())) "
        "update estoque set reservado = reservado + 1 where sku = 'A'",
        {R.LINHAS},
    ),
    "a stock row that is gone": ("delete from estoque where sku = 'A'", {R.LINHAS}),
    "an order that is gone": ("delete from pedido where id = '{reservado}'", {R.LINHAS, R.ACORDO}),
    "an ended order that is gone": ("delete from pedido where id = '{cancelado}'", {R.ACORDO}),
    "an order that pedidos never had": (
        "insert into pedido (id, status, versao, itens) values (gen_random_uuid(), 'Cancelado', 1, '{{}}')",
        {R.ACORDO},
    ),
    "items that nobody ordered": ("update pedido set itens = '{{\"A\": 1}}' where id = '{negado}'", {R.ACORDO}),
    "an event that took effect without a trace": ("delete from inbox", {R.RESPOSTA}),
    "another answer than was given": ("update inbox set recusa = 'PedidoEncerrado'", {R.RESPOSTA}),
    "a lapse that was not told for long": (
        "update pedido set status = 'ReservaExpirada', versao = versao + 1, expira_em = null, "
        "atualizado_em = agora() - interval '11 min' where id = '{reservado}'",
        {R.ACORDO, R.LINHAS},
    ),
}
EM_PEDIDOS: dict[str, tuple[str, set[Regra]]] = {
    "an order that is lost": ("delete from pedido where id = '{reservado}'", {R.ACORDO}),
    "an ended order that is lost": ("delete from pedido where id = '{fechado}'", {R.ACORDO}),
    "another status at the same version": (
        "update pedido set status = 'Cancelado' where id = '{fechado}'",
        {R.ACORDO},
    ),
    "a version that estoque never gave": (
        "update pedido set versao = 9 where id = '{cancelado}'",
        {R.ACORDO, R.VERSAO},
    ),
    "another end of a reservation": (
        "update pedido set expira_em = expira_em + '1 s' where id = '{reservado}'",
        {R.ACORDO},
    ),
    "other units missing": ("update pedido set itens_em_falta = '[]' where id = '{negado}'", {R.ACORDO}),
    "a snapshot that was lost": (
        "update pedido set status = 'EstoqueReservado', versao = 1, expira_em = agora() where id = '{fechado}'",
        {R.ACORDO},
    ),
    "an order that waits for nothing": (
        "update pedido set status = 'Criado', versao = 0 where id = '{fechado}'",
        {R.SEM_DECISAO},
    ),
    "a command that was given up": (
        "insert into comando (id, pedido_id, tipo) values (gen_random_uuid(), '{reservado}', 'FecharPedido')",
        {R.SEM_RESPOSTA},
    ),
}


@pytest.mark.parametrize("nome", NO_ESTOQUE)
async def test_what_is_wrong_in_estoque_is_found(mundo: Mundo, leitores: Bancos, nome: str):
    dia = await mundo.um_dia()
    estrago, regras = NO_ESTOQUE[nome]
    await mundo.estoque.execute(estrago.format(**dia))
    assert {v.regra for v in await livro.violacoes(mundo.estoque, 2)} == regras & IMEDIATAS
    assert {v.regra for v in await provar(leitores)} == regras
    assert await rondar(leitores) == regras


@pytest.mark.parametrize("nome", EM_PEDIDOS)
async def test_what_is_wrong_in_pedidos_is_found(mundo: Mundo, leitores: Bancos, nome: str):
    dia = await mundo.um_dia()
    estrago, regras = EM_PEDIDOS[nome]
    await mundo.pedidos.execute(estrago.format(**dia))
    assert {v.regra for v in await provar(leitores)} == regras
    assert await rondar(leitores) == regras


@pytest.mark.parametrize(
    ("nome", "tipo", "regras"),
    [
        ("reservado", CommandType.CRIAR, {R.VERSAO, R.RESPOSTA}),
        ("vencido", CommandType.CRIAR, {R.VERSAO}),
        ("fechado", CommandType.FECHAR, {R.RESPOSTA}),
        ("cancelado", CommandType.CANCELAR, {R.RESPOSTA}),
    ],
)
async def test_an_event_that_took_effect_twice_is_found(
    mundo: Mundo, leitores: Bancos, nome: str, tipo: CommandType, regras: set[Regra]
):
    dia = await mundo.um_dia()
    um = await comando(mundo, dia[nome], tipo)
    await mundo.estoque.execute("delete from inbox where evento_id = $1", um.id)
    await mundo.aplicar([um])
    await mundo.entregar()
    assert {v.regra for v in await provar(leitores)} >= regras
    assert await rondar(leitores) >= regras


async def comando(mundo: Mundo, pedido: UUID, tipo: CommandType) -> Any:
    row = await mundo.pedidos.fetchrow(
        "select c.*, c.id as comando_id, p.cliente_id, p.itens from comando c join pedido p on p.id = c.pedido_id "
        "where pedido_id = $1 and tipo = $2",
        pedido,
        tipo.value,
    )
    return evento_de_comando(row)


async def test_of_a_day_without_a_fault_there_is_nothing_to_say(mundo: Mundo, leitores: Bancos):
    await mundo.um_dia()
    assert await livro.violacoes(mundo.estoque) == []
    assert await provar(leitores, em_repouso=True) == []
    assert await rondar(leitores) == set()


async def test_what_is_on_its_way_is_no_violation_but_at_rest_it_is(mundo: Mundo, leitores: Bancos):
    dia = await mundo.um_dia()
    await mundo.pedir(A=1)  # estoque has not heard of it
    await mundo.mandar(dia["reservado"], CommandType.FECHAR)
    await mundo.levar_comandos()
    await mundo.pedir(A=1)
    assert await provar(leitores) == []
    assert await rondar(leitores) == set()
    at_rest = {v.regra for v in await provar(leitores, em_repouso=True)}
    assert at_rest == {R.SEM_DECISAO, R.SEM_RESPOSTA, R.ACORDO, R.OUTBOX}


async def test_what_was_lost_on_its_way_to_be_sent_again_is_no_violation(mundo: Mundo, leitores: Bancos):
    dia = await mundo.um_dia()
    await mundo.mandar(dia["reservado"], CommandType.FECHAR)
    await mundo.levar_comandos()
    await mundo.estoque.execute("delete from outbox")  # as if the broker had lost it
    assert await provar(leitores) == []
    await mundo.pedidos.execute("update comando set reenviar_em = null")
    assert {v.regra for v in await provar(leitores)} == {R.ACORDO, R.SEM_RESPOSTA}


async def test_a_lapse_may_be_told_late_and_a_lapsed_order_may_have_lost_lines(mundo: Mundo, leitores: Bancos):
    dia = await mundo.um_dia()
    await mundo.estoque.execute("update pedido set expira_em = agora() where id = $1", dia["reservado"])
    await mundo.estoque.execute(
        "update reserva r set expira_em = p.expira_em from pedido p where not r.vendida and p.id = r.pedido_id"
    )
    await mundo.pedidos.execute(
        "update pedido set expira_em = $1 where id = $2",
        await mundo.estoque.fetchval("select expira_em from pedido where id = $1", dia["reservado"]),
        dia["reservado"],
    )
    await mundo.estoque.execute("select liberar_vencidas(array['A'], array[1::bigint], agora())")
    assert await provar(leitores, em_repouso=True) == []
    assert await mundo.varrer() == 1
    await mundo.estoque.execute("delete from outbox")
    assert await provar(leitores) == []
    assert await rondar(leitores) == set()


async def test_what_retention_forgot_is_no_violation(mundo: Mundo, leitores: Bancos):
    dia = await mundo.um_dia()
    for pool in (mundo.pedidos, mundo.estoque):
        await pool.execute("update pedido set criado_em = agora() - interval '40 days'")
    await mundo.pedidos.execute("update comando set criado_em = agora() - interval '40 days'")
    await mundo.estoque.execute("delete from inbox")
    await mundo.estoque.execute("delete from pedido where id = $1", dia["negado"])
    await mundo.pedidos.execute("delete from pedido where id = $1", dia["cancelado"])
    assert await provar(leitores, em_repouso=True) == []
    assert await rondar(leitores) == set()


async def test_purged_orders_leave_the_sold_units_counted(mundo: Mundo, leitores: Bancos):
    await mundo.um_dia()
    await mundo.estoque.execute("select purgar_pedidos(agora() + interval '1 hour', 99, null)")
    assert await mundo.estoque.fetchval("select sum(arquivado) from estoque") == 3
    assert await livro.violacoes(mundo.estoque) == []


async def test_the_clock_of_the_database_decides(mundo: Mundo):
    """A simulation that replaces `agora()` is judged by its own time, also in a transaction under way."""
    dia = await mundo.um_dia()
    async with mundo.estoque.acquire() as connection:
        transacao = connection.transaction()
        await transacao.start()
        await connection.execute(
            "with d as (delete from reserva where pedido_id = $1 returning sku, quantidade) "
            "update estoque e set reservado = e.reservado - d.quantidade from d where d.sku = e.sku",
            dia["reservado"],
        )
        assert {v.regra for v in await livro.violacoes(connection)} == {R.LINHAS}
        await connection.execute(
            "create or replace function agora() returns timestamptz language sql volatile "
            "as $$select clock_timestamp() + interval '2 hours'$$"
        )
        assert await livro.violacoes(connection) == []
        await transacao.rollback()


def test_every_rule_is_broken_by_one_of_these_tests():
    quebradas = {regra for tabela in (NO_ESTOQUE, EM_PEDIDOS) for _, regras in tabela.values() for regra in regras}
    assert quebradas | {R.VERSAO, R.OUTBOX} == set(Regra)


def test_statements_only_read():
    sql = Queries("conferir")
    for nome, texto in sql._statements.items():
        corpo = "\n".join(linha for linha in texto.splitlines() if not linha.startswith("--"))
        assert corpo.lstrip().startswith("select"), nome
        assert " for update" not in corpo, nome
