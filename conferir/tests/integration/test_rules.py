"""Every rule on real databases: both audits find each manual violation, and nothing else."""

from typing import Any
from uuid import UUID

import pytest
from audited_world import World, run_audit, run_rounds

from conferir import ledger
from conferir.snapshot import Databases
from conferir.violation import IMMEDIATE, Rule
from pedidos.command import CommandType
from pedidos.events import to_event as command_event
from reservaestoque.postgres.queries import statements

pytestmark = pytest.mark.integration

R = Rule
IN_ESTOQUE: dict[str, tuple[str, set[Rule]]] = {
    "more sold than supplied": ("update estoque set vendido = 99 where sku = 'A'", {R.SUPPLY, R.COUNTERS}),
    "undeclared supply": ("update estoque set quantidade = 11 where sku = 'B'", {R.SUPPLY}),
    "more reserved than lines": ("update estoque set reservado = reservado + 1 where sku = 'A'", {R.COUNTERS}),
    "fewer sold than lines": ("update estoque set vendido = vendido - 1 where sku = 'B'", {R.COUNTERS}),
    "archived but still there": ("update estoque set arquivado = 1 where sku = 'A'", {R.COUNTERS}),
    "a line that was freed twice": (
        "with d as (delete from reserva where sku = 'A' and pedido_id = '{reservado}' returning quantidade) "
        "update estoque set reservado = reservado - d.quantidade from d where sku = 'A'",
        {R.LINES},
    ),
    "sold lines that are gone": ("delete from reserva where pedido_id = '{fechado}'", {R.LINES, R.COUNTERS}),
    "a line that lapses alone": (
        "update reserva set expira_em = expira_em + '1 s' where pedido_id = '{reservado}' and sku = 'A'",
        {R.LINES},
    ),
    "a line of a cancelled order": (
        "with i as (insert into reserva values ('{cancelado}', 'A', 1, agora())) "
        "update estoque set reservado = reservado + 1 where sku = 'A'",
        {R.LINES},
    ),
    "a stock row that is gone": ("delete from estoque where sku = 'A'", {R.LINES}),
    "an order that is gone": ("delete from pedido where id = '{reservado}'", {R.LINES, R.AGREEMENT}),
    "an ended order that is gone": ("delete from pedido where id = '{cancelado}'", {R.AGREEMENT}),
    "an order that pedidos never had": (
        "insert into pedido (id, status, versao, itens) values (gen_random_uuid(), 'Cancelado', 1, '{{}}')",
        {R.AGREEMENT},
    ),
    "items that were not ordered": ("update pedido set itens = '{{\"A\": 1}}' where id = '{refused}'", {R.AGREEMENT}),
    "an applied event without an inbox row": ("delete from inbox", {R.ANSWER}),
    "another answer than was given": ("update inbox set recusa = 'PedidoEncerrado'", {R.ANSWER}),
    "a lapse notice that is overdue": (
        "update pedido set status = 'ReservaExpirada', versao = versao + 1, expira_em = null, "
        "atualizado_em = agora() - interval '11 min' where id = '{reservado}'",
        {R.AGREEMENT, R.LINES},
    ),
}
IN_PEDIDOS: dict[str, tuple[str, set[Rule]]] = {
    "an order that is lost": ("delete from pedido where id = '{reservado}'", {R.AGREEMENT}),
    "an ended order that is lost": ("delete from pedido where id = '{fechado}'", {R.AGREEMENT}),
    "another status at the same version": (
        "update pedido set status = 'Cancelado' where id = '{fechado}'",
        {R.AGREEMENT},
    ),
    "a version that estoque never gave": (
        "update pedido set versao = 9 where id = '{cancelado}'",
        {R.AGREEMENT, R.VERSION},
    ),
    "another end of a reservation": (
        "update pedido set expira_em = expira_em + '1 s' where id = '{reservado}'",
        {R.AGREEMENT},
    ),
    "other units missing": ("update pedido set itens_em_falta = '[]' where id = '{refused}'", {R.AGREEMENT}),
    "a snapshot that was lost": (
        "update pedido set status = 'EstoqueReservado', versao = 1, expira_em = agora() where id = '{fechado}'",
        {R.AGREEMENT},
    ),
    "an undecided order without a pending command": (
        "update pedido set status = 'Criado', versao = 0 where id = '{fechado}'",
        {R.UNDECIDED},
    ),
    "a command that was given up": (
        "insert into comando (id, pedido_id, tipo) values (gen_random_uuid(), '{reservado}', 'FecharPedido')",
        {R.UNANSWERED},
    ),
}


@pytest.mark.parametrize("name", IN_ESTOQUE)
async def test_violations_in_estoque_are_found(world: World, readers: Databases, name: str):
    day = await world.typical_day()
    damage, rules = IN_ESTOQUE[name]
    await world.estoque.execute(damage.format(**day))
    assert {v.rule for v in await ledger.violations(world.estoque, 2)} == rules & IMMEDIATE
    assert {v.rule for v in await run_audit(readers)} == rules
    assert await run_rounds(readers) == rules


@pytest.mark.parametrize("name", IN_PEDIDOS)
async def test_violations_in_pedidos_are_found(world: World, readers: Databases, name: str):
    day = await world.typical_day()
    damage, rules = IN_PEDIDOS[name]
    await world.pedidos.execute(damage.format(**day))
    assert {v.rule for v in await run_audit(readers)} == rules
    assert await run_rounds(readers) == rules


@pytest.mark.parametrize(
    ("name", "tipo", "rules"),
    [
        ("reservado", CommandType.CRIAR, {R.VERSION, R.ANSWER}),
        ("lapsed", CommandType.CRIAR, {R.VERSION}),
        ("fechado", CommandType.FECHAR, {R.ANSWER}),
        ("cancelado", CommandType.CANCELAR, {R.ANSWER}),
    ],
)
async def test_an_event_applied_twice_is_found(
    world: World, readers: Databases, name: str, tipo: CommandType, rules: set[Rule]
):
    day = await world.typical_day()
    one = await command(world, day[name], tipo)
    await world.estoque.execute("delete from inbox where evento_id = $1", one.id)
    await world.apply([one])
    await world.deliver_all()
    assert {v.rule for v in await run_audit(readers)} >= rules
    assert await run_rounds(readers) >= rules


async def command(world: World, pedido: UUID, tipo: CommandType) -> Any:
    row = await world.pedidos.fetchrow(
        "select c.*, c.id as comando_id, p.cliente_id, p.itens, p.versao from pedido p join ("
        "    select id, pedido_id, tipo, traceparent, criado_em, se_versao from comando"
        "    union all select id, id, 'PedidoCriado', traceparent, criado_em, null from pedido"
        ") c on c.pedido_id = p.id where p.id = $1 and c.tipo = $2",
        pedido,
        tipo.value,
    )
    return command_event(row)


async def test_a_day_without_faults_has_no_violations(world: World, readers: Databases):
    await world.typical_day()
    assert await ledger.violations(world.estoque) == []
    assert await run_audit(readers, at_rest=True) == []
    assert await run_rounds(readers) == set()


async def test_messages_in_flight_are_violations_only_at_rest(world: World, readers: Databases):
    day = await world.typical_day()
    await world.place_order(A=1)  # not delivered to estoque
    await world.send(day["reservado"], CommandType.FECHAR)
    await world.deliver_commands()
    await world.place_order(A=1)
    assert await run_audit(readers) == []
    assert await run_rounds(readers) == set()
    at_rest = {v.rule for v in await run_audit(readers, at_rest=True)}
    assert at_rest == {R.UNDECIDED, R.UNANSWERED, R.AGREEMENT, R.OUTBOX}


async def test_an_order_reserved_without_a_decision_records_its_event(world: World, readers: Databases):
    await world.supply(A=10)
    await world.place_order(A=1)
    await world.deliver_all()
    assert await world.estoque.fetchval("select count(*) from inbox") == 0
    assert await run_audit(readers, at_rest=True) == []
    await world.estoque.execute(
        "insert into inbox (evento_id, recusa) select criacao, 'PedidoJaConhecido' from pedido"
    )
    assert await run_audit(readers, at_rest=True) == [], "the order records that its creation was applied"
    await world.estoque.execute("truncate inbox")
    await world.estoque.execute("update pedido set criacao = null")
    assert {v.rule for v in await run_audit(readers)} == {R.ANSWER}
    assert await run_rounds(readers) == {R.ANSWER}


async def test_a_lost_message_that_will_be_resent_is_no_violation(world: World, readers: Databases):
    day = await world.typical_day()
    await world.send(day["reservado"], CommandType.FECHAR)
    await world.deliver_commands()
    await world.estoque.execute("delete from outbox")  # as if the broker had lost it
    assert await run_audit(readers) == []
    await world.pedidos.execute("update comando set reenviar_em = null")
    assert {v.rule for v in await run_audit(readers)} == {R.AGREEMENT, R.UNANSWERED}


async def test_lapse_notices_may_be_late_and_lapsed_orders_may_have_lost_lines(world: World, readers: Databases):
    day = await world.typical_day()
    await world.estoque.execute("update pedido set expira_em = agora() where id = $1", day["reservado"])
    await world.estoque.execute(
        "update reserva r set expira_em = p.expira_em from pedido p where not r.vendida and p.id = r.pedido_id"
    )
    await world.pedidos.execute(
        "update pedido set expira_em = $1 where id = $2",
        await world.estoque.fetchval("select expira_em from pedido where id = $1", day["reservado"]),
        day["reservado"],
    )
    await world.estoque.execute("select release_lapsed(array['A'], array[1::bigint], agora())")
    assert await run_audit(readers, at_rest=True) == []
    assert await world.sweep() == 1
    await world.estoque.execute("delete from outbox")
    assert await run_audit(readers) == []
    assert await run_rounds(readers) == set()


async def test_rows_purged_by_retention_are_no_violation(world: World, readers: Databases):
    day = await world.typical_day()
    for pool in (world.pedidos, world.estoque):
        await pool.execute("update pedido set criado_em = agora() - interval '40 days'")
    await world.pedidos.execute("update comando set criado_em = agora() - interval '40 days'")
    await world.estoque.execute("delete from inbox")
    await world.estoque.execute("delete from pedido where id = $1", day["refused"])
    await world.pedidos.execute("delete from pedido where id = $1", day["cancelado"])
    assert await run_audit(readers, at_rest=True) == []
    assert await run_rounds(readers) == set()


async def test_the_clock_of_the_database_decides(world: World):
    """A simulation that replaces `now()` is judged by its own clock, also within a transaction."""
    day = await world.typical_day()
    async with world.estoque.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "with d as (delete from reserva where pedido_id = $1 returning sku, quantidade) "
            "update estoque e set reservado = e.reservado - d.quantidade from d where d.sku = e.sku",
            day["reservado"],
        )
        assert {v.rule for v in await ledger.violations(connection)} == {R.LINES}
        await connection.execute(
            "create or replace function agora() returns timestamptz language sql volatile "
            "as $$select clock_timestamp() + interval '2 hours'$$"
        )
        assert await ledger.violations(connection) == []
        await transaction.rollback()


def test_every_rule_is_broken_by_one_of_these_tests():
    broken = {rule for table in (IN_ESTOQUE, IN_PEDIDOS) for _, rules in table.values() for rule in rules}
    assert broken | {R.VERSION, R.OUTBOX} == set(Rule)


def test_statements_only_read():
    for name, text in statements("conferir").items():
        body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        assert body.lstrip().startswith("select"), name
        assert " for update" not in body, name
