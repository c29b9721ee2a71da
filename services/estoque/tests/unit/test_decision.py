"""Which orders get stock, and the effect of each command in each state of an order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from estoque.decision import decide, shortages
from estoque.pedido import Decision, Pedido, Recusa, Situacao, StockRow, sum_items
from reservaestoque.events import (
    CancelarPedido,
    Comando,
    FecharPedido,
    Item,
    ItensDoPedido,
    Motivo,
    PedidoCancelado,
    PedidoCriado,
    PedidoData,
    ReservarPedido,
    Status,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TTL = timedelta(minutes=30)
BEFORE, AFTER = NOW - timedelta(microseconds=1), NOW + timedelta(microseconds=1)
PEDIDO = UUID(int=1)


def command(kind: type, pedido_id: UUID = PEDIDO, **itens: int) -> Comando:
    item_list = [Item(sku, quantidade) for sku, quantidade in itens.items()]
    if kind is PedidoCriado:
        data = PedidoData(pedido_id=pedido_id, cliente_id="ana", itens=item_list)
    elif kind is CancelarPedido:
        data = PedidoCancelado(pedido_id=pedido_id)
    else:
        data = ItensDoPedido(pedido_id=pedido_id, itens=item_list)
    return kind(id=uuid4(), source="/t", subject=pedido_id, time=NOW, data=data)


def reserved(expira_em: datetime, **lines: int) -> Pedido:
    return Pedido(PEDIDO, Status.ESTOQUE_RESERVADO, 1, {"A": 2, "B": 3}, expira_em=expira_em, lines=lines)


def decide_one(cmd: Comando, pedido: Pedido | None = None, **free_units: int) -> tuple[Pedido, Decision]:
    stock = {sku: StockRow(free) for sku, free in free_units.items()}
    decision = decide([cmd], {pedido.id: pedido} if pedido else {}, stock, NOW, TTL)
    return decision.pedidos[cmd.data.pedido_id], decision


def movements(decision: Decision) -> dict[str, tuple[int, int]]:
    return {s: (m.reservado, m.vendido) for s, m in decision.movements.items() if m.reservado or m.vendido}


def test_new_order_with_stock_for_all_is_reserved_for_the_ttl():
    pedido, decision = decide_one(command(PedidoCriado, A=2, B=3), A=2, B=5)
    assert (pedido.status, pedido.versao) == (Status.ESTOQUE_RESERVADO, 1)
    assert pedido.expira_em == NOW + TTL
    assert pedido.lines == {"A": 2, "B": 3}
    assert movements(decision) == {"A": (2, 0), "B": (3, 0)}


def test_new_order_with_one_item_missing_holds_nothing_and_names_it():
    pedido, decision = decide_one(command(PedidoCriado, A=2, B=3), A=2, B=2)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL
    assert [(f.sku, f.solicitado, f.disponivel, f.motivo) for f in pedido.itens_em_falta] == [
        ("B", 3, 2, Motivo.SALDO_INSUFICIENTE)
    ]
    assert movements(decision) == {}
    assert pedido.lines == {}
    assert pedido.expira_em is None


@pytest.mark.parametrize(
    ("row", "motivo"),
    [
        (None, Motivo.SKU_DESCONHECIDO),
        (StockRow(9, Situacao.ENCERRADO), Motivo.SKU_DESCONHECIDO),
        (StockRow(9, Situacao.ENCERRANDO), Motivo.ITEM_PAUSADO),
        (StockRow(9, Situacao.PAUSADO), Motivo.ITEM_PAUSADO),
        (StockRow(0), Motivo.SALDO_INSUFICIENTE),
        (StockRow(-5), Motivo.SALDO_INSUFICIENTE),
    ],
)
def test_reason_why_an_item_is_unavailable(row: StockRow | None, motivo: Motivo):
    stock = {"A": row} if row else {}
    decision = decide([command(PedidoCriado, A=1)], {}, stock, NOW, TTL)
    [missing] = decision.pedidos[PEDIDO].itens_em_falta
    assert (missing.motivo, missing.disponivel) == (motivo, 0)


def test_an_answer_is_newer_than_what_pedidos_knows_even_if_a_restore_has_lost_the_order():
    data = ItensDoPedido(pedido_id=PEDIDO, versao_conhecida=4, itens=[Item("A", 1)])
    close = FecharPedido(id=uuid4(), source="/t", subject=PEDIDO, time=NOW, data=data)
    for known in (None, reserved(AFTER, A=2, B=3)):
        pedido, decision = decide_one(close, known, A=9, B=9)
        assert (pedido.status, pedido.versao, decision.facts[0].pedido.versao) == (Status.FECHADO, 5, 5)


def test_first_come_first_served_and_a_refused_order_leaves_its_units_to_the_next():
    first, second, third = (UUID(int=n) for n in (1, 2, 3))
    batch = [
        command(PedidoCriado, first, A=3),
        command(PedidoCriado, second, A=3, B=1),
        command(PedidoCriado, third, B=1),
    ]
    decision = decide(batch, {}, {"A": StockRow(5), "B": StockRow(1)}, NOW, TTL)
    assert [decision.pedidos[p].status for p in (first, second, third)] == [
        Status.ESTOQUE_RESERVADO,
        Status.ESTOQUE_NAO_DISPONIVEL,
        Status.ESTOQUE_RESERVADO,
    ]


def test_sku_named_twice_counts_once_with_the_sum():
    data = PedidoData(pedido_id=PEDIDO, cliente_id="ana", itens=[Item("B", 1), Item("A", 2), Item("B", 3)])
    created = PedidoCriado(id=uuid4(), source="/t", subject=PEDIDO, time=NOW, data=data)
    assert list(sum_items(created).items()) == [("A", 2), ("B", 4)]
    pedido, _ = decide_one(created, A=9, B=3)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL


STATES = {
    "unknown": None,
    "held": reserved(AFTER, A=2, B=3),
    "lapsed": reserved(NOW, A=2, B=3),
    "lapsed, released in part": reserved(BEFORE, B=3),
    "swept": Pedido(PEDIDO, Status.RESERVA_EXPIRADA, 2, {"A": 2, "B": 3}),
    "closed": Pedido(PEDIDO, Status.FECHADO, 2, {"A": 2, "B": 3}),
    "cancelled": Pedido(PEDIDO, Status.CANCELADO, 2, {}),
    "denied": Pedido(PEDIDO, Status.ESTOQUE_NAO_DISPONIVEL, 1, {"A": 2, "B": 3}),
}
R, F, C, N, X = (
    Status.ESTOQUE_RESERVADO,
    Status.FECHADO,
    Status.CANCELADO,
    Status.ESTOQUE_NAO_DISPONIVEL,
    Status.RESERVA_EXPIRADA,
)
ENDED, KNOWN, HELD = Recusa.PEDIDO_ENCERRADO, Recusa.PEDIDO_JA_CONHECIDO, Recusa.RESERVA_VIGENTE


@pytest.mark.parametrize(
    ("state", "kind", "status", "recusa", "movement"),
    [
        # plenty of stock: the effect of each command in each state; (reserved, sold) of A and B
        ("unknown", PedidoCriado, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("unknown", FecharPedido, F, None, {"A": (0, 2), "B": (0, 3)}),
        ("unknown", ReservarPedido, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("unknown", CancelarPedido, C, None, {}),
        ("held", PedidoCriado, R, KNOWN, {}),
        ("held", FecharPedido, F, None, {"A": (-2, 2), "B": (-3, 3)}),
        ("held", ReservarPedido, R, HELD, {}),
        ("held", CancelarPedido, C, None, {"A": (-2, 0), "B": (-3, 0)}),
        ("lapsed", PedidoCriado, R, KNOWN, {}),
        ("lapsed", FecharPedido, F, None, {"A": (-2, 2), "B": (-3, 3)}),
        ("lapsed", ReservarPedido, R, None, {}),
        ("lapsed", CancelarPedido, C, None, {"A": (-2, 0), "B": (-3, 0)}),
        ("lapsed, released in part", FecharPedido, F, None, {"A": (0, 2), "B": (-3, 3)}),
        ("lapsed, released in part", ReservarPedido, R, None, {"A": (2, 0)}),
        ("lapsed, released in part", CancelarPedido, C, None, {"B": (-3, 0)}),
        ("swept", PedidoCriado, X, KNOWN, {}),
        ("swept", FecharPedido, F, None, {"A": (0, 2), "B": (0, 3)}),
        ("swept", ReservarPedido, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("swept", CancelarPedido, C, None, {}),
        *[
            (state, kind, STATES[state].status, ENDED, {})
            for state in ("closed", "cancelled", "denied")
            for kind in (PedidoCriado, FecharPedido, ReservarPedido, CancelarPedido)
        ],
    ],
)
def test_the_effect_of_each_command_in_each_state(state, kind, status, recusa, movement):
    before = STATES[state]
    pedido, decision = decide_one(command(kind, A=2, B=3), before, A=10, B=10)
    assert (pedido.status, decision.facts[0].recusa) == (status, recusa)
    assert movements(decision) == movement
    assert pedido.versao == (before.versao if before else 0) + 1, "every new command is answered by the next version"
    assert decision.facts[0].pedido is pedido
    if recusa:
        assert (pedido.lines, pedido.expira_em) == (before.lines, before.expira_em)
        assert not decision.changed_lines


@pytest.mark.parametrize("kind", [FecharPedido, ReservarPedido])
@pytest.mark.parametrize("state", ["lapsed, released in part", "swept"])
def test_lapsed_order_is_checked_again_and_ends_when_units_are_missing(state: str, kind: type):
    pedido, decision = decide_one(command(kind, A=2, B=3), STATES[state], A=1, B=0)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL
    assert ("A", 1) in [(f.sku, f.disponivel) for f in pedido.itens_em_falta]
    assert pedido.lines == {}
    assert all(m.reservado <= 0 and m.vendido == 0 for m in decision.movements.values())


def test_lapsed_order_may_use_the_units_it_still_holds():
    pedido, _ = decide_one(command(ReservarPedido, A=2, B=3), STATES["lapsed"], A=0, B=0)
    assert pedido.status == Status.ESTOQUE_RESERVADO
    assert pedido.expira_em == NOW + TTL


def test_units_released_while_more_are_committed_than_declared_stay_unavailable():
    stock = {"A": StockRow(-4), "B": StockRow(0)}
    pedido = reserved(AFTER, A=2, B=3)
    other = UUID(int=2)
    batch = [command(CancelarPedido), command(PedidoCriado, other, A=1)]
    decision = decide(batch, {PEDIDO: pedido}, stock, NOW, TTL)
    assert decision.pedidos[other].status == Status.ESTOQUE_NAO_DISPONIVEL


def test_created_and_cancelled_in_one_batch_makes_two_facts_and_holds_nothing():
    decision = decide([command(PedidoCriado, A=1), command(CancelarPedido)], {}, {"A": StockRow(1)}, NOW, TTL)
    assert [f.pedido.versao for f in decision.facts] == [1, 2]
    assert [f.pedido.status for f in decision.facts] == [Status.ESTOQUE_RESERVADO, Status.CANCELADO]
    assert movements(decision) == {}
    assert decision.pedidos[PEDIDO].lines == {}


def test_shortage_is_the_demand_of_all_commands_beyond_the_free_units():
    batch = [command(PedidoCriado, A=3, B=1), command(PedidoCriado, A=2, Z=1), command(CancelarPedido)]
    assert shortages(batch, {"A": StockRow(4), "B": StockRow(1)}) == {"A": 1}
    assert shortages(batch, {"A": StockRow(-4), "B": StockRow(0)}) == {"A": 9, "B": 1}


SKUS = st.sampled_from("ABC")
KINDS = st.sampled_from([PedidoCriado, FecharPedido, CancelarPedido, ReservarPedido])
COMMANDS = st.lists(
    st.builds(
        lambda kind, n, itens: command(kind, UUID(int=n), **itens),
        KINDS,
        st.integers(1, 4),
        st.dictionaries(SKUS, st.integers(1, 4), min_size=1),
    ),
    max_size=12,
)


@settings(derandomize=True)
@given(COMMANDS, st.dictionaries(SKUS, st.integers(0, 8)))
def test_whatever_the_batch_units_are_conserved_and_never_negative(batch: list[Comando], free_units: dict[str, int]):
    stock = {sku: StockRow(free) for sku, free in free_units.items()}
    decision = decide(batch, {}, stock, NOW, TTL)
    for sku, free in free_units.items():
        held_units = [p.lines.get(sku, 0) for p in decision.pedidos.values() if p.status == Status.ESTOQUE_RESERVADO]
        sold_units = [p.lines.get(sku, 0) for p in decision.pedidos.values() if p.status == Status.FECHADO]
        movement = movements(decision).get(sku, (0, 0))
        assert movement == (sum(held_units), sum(sold_units))
        assert stock[sku].free == free - sum(movement)
        assert stock[sku].free >= 0
    for pedido in decision.pedidos.values():
        held = pedido.status in (Status.ESTOQUE_RESERVADO, Status.FECHADO)
        assert pedido.lines == (pedido.itens if held else {}), "all items or none"


@pytest.mark.parametrize(("se_versao", "recusa"), [(None, None), (4, None), (3, None), (2, Recusa.PEDIDO_MUDOU)])
def test_a_cancel_with_a_version_is_refused_once_the_order_has_a_newer_one(
    se_versao: int | None, recusa: Recusa | None
):
    data = PedidoCancelado(pedido_id=PEDIDO, versao=se_versao)
    cancel = CancelarPedido(id=uuid4(), source="/t", subject=PEDIDO, time=NOW, data=data)
    before = replace(reserved(AFTER, A=2, B=3), versao=3)
    after, decision = decide_one(cancel, before, A=0, B=0)
    assert decision.facts[0].recusa == recusa
    assert after.status == (Status.CANCELADO if recusa is None else Status.ESTOQUE_RESERVADO)
    assert after.versao == 4
