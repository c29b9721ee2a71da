"""Who gets stock, and what each command does in each state of an order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from estoque.decisao import decidir, faltas
from estoque.pedido import Decisao, Pedido, Recusa, Saldo, Situacao, somar_itens
from reservaestoque.events import (
    CancelarPedido,
    Comando,
    DadosDoPedido,
    FecharPedido,
    Item,
    ItensDoPedido,
    Motivo,
    PedidoCancelado,
    PedidoCriado,
    ReservarPedido,
    Status,
)

AGORA = datetime(2026, 11, 24, 12, tzinfo=UTC)
TTL = timedelta(minutes=30)
ANTES, DEPOIS = AGORA - timedelta(microseconds=1), AGORA + timedelta(microseconds=1)
PEDIDO = UUID(int=1)


def comando(tipo: type, pedido_id: UUID = PEDIDO, **itens: int) -> Comando:
    lista = [Item(sku, quantidade) for sku, quantidade in itens.items()]
    if tipo is PedidoCriado:
        dados = DadosDoPedido(pedido_id=pedido_id, cliente_id="ana", itens=lista)
    elif tipo is CancelarPedido:
        dados = PedidoCancelado(pedido_id=pedido_id)
    else:
        dados = ItensDoPedido(pedido_id=pedido_id, itens=lista)
    return tipo(id=uuid4(), source="/t", subject=pedido_id, time=AGORA, data=dados)


def reservado(expira_em: datetime, **linhas: int) -> Pedido:
    return Pedido(PEDIDO, Status.ESTOQUE_RESERVADO, 1, {"A": 2, "B": 3}, expira_em=expira_em, linhas=linhas)


def decidir_um(cmd: Comando, pedido: Pedido | None = None, **livres: int) -> tuple[Pedido, Decisao]:
    saldos = {sku: Saldo(livre) for sku, livre in livres.items()}
    decisao = decidir([cmd], {pedido.id: pedido} if pedido else {}, saldos, AGORA, TTL)
    return decisao.pedidos[cmd.data.pedido_id], decisao


def movimentos(decisao: Decisao) -> dict[str, tuple[int, int]]:
    return {s: (m.reservado, m.vendido) for s, m in decisao.movimentos.items() if m.reservado or m.vendido}


def test_new_order_with_stock_for_all_is_reserved_for_the_ttl():
    pedido, decisao = decidir_um(comando(PedidoCriado, A=2, B=3), A=2, B=5)
    assert (pedido.status, pedido.versao) == (Status.ESTOQUE_RESERVADO, 1)
    assert pedido.expira_em == AGORA + TTL
    assert pedido.linhas == {"A": 2, "B": 3}
    assert movimentos(decisao) == {"A": (2, 0), "B": (3, 0)}


def test_new_order_that_lacks_one_item_holds_nothing_and_names_it():
    pedido, decisao = decidir_um(comando(PedidoCriado, A=2, B=3), A=2, B=2)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL
    assert [(f.sku, f.solicitado, f.disponivel, f.motivo) for f in pedido.itens_em_falta] == [
        ("B", 3, 2, Motivo.SALDO_INSUFICIENTE)
    ]
    assert movimentos(decisao) == {}
    assert pedido.linhas == {}
    assert pedido.expira_em is None


@pytest.mark.parametrize(
    ("saldo", "motivo"),
    [
        (None, Motivo.SKU_DESCONHECIDO),
        (Saldo(9, Situacao.ENCERRADO), Motivo.SKU_DESCONHECIDO),
        (Saldo(9, Situacao.ENCERRANDO), Motivo.ITEM_PAUSADO),
        (Saldo(9, Situacao.PAUSADO), Motivo.ITEM_PAUSADO),
        (Saldo(0), Motivo.SALDO_INSUFICIENTE),
        (Saldo(-5), Motivo.SALDO_INSUFICIENTE),
    ],
)
def test_reason_why_an_item_cannot_be_had(saldo: Saldo | None, motivo: Motivo):
    saldos = {"A": saldo} if saldo else {}
    decisao = decidir([comando(PedidoCriado, A=1)], {}, saldos, AGORA, TTL)
    [falta] = decisao.pedidos[PEDIDO].itens_em_falta
    assert (falta.motivo, falta.disponivel) == (motivo, 0)


def test_first_come_first_served_and_a_refused_order_leaves_its_units_to_the_next():
    primeiro, segundo, terceiro = (UUID(int=n) for n in (1, 2, 3))
    lote = [
        comando(PedidoCriado, primeiro, A=3),
        comando(PedidoCriado, segundo, A=3, B=1),
        comando(PedidoCriado, terceiro, B=1),
    ]
    decisao = decidir(lote, {}, {"A": Saldo(5), "B": Saldo(1)}, AGORA, TTL)
    assert [decisao.pedidos[p].status for p in (primeiro, segundo, terceiro)] == [
        Status.ESTOQUE_RESERVADO,
        Status.ESTOQUE_NAO_DISPONIVEL,
        Status.ESTOQUE_RESERVADO,
    ]


def test_sku_named_twice_counts_once_with_the_sum():
    dados = DadosDoPedido(pedido_id=PEDIDO, cliente_id="ana", itens=[Item("B", 1), Item("A", 2), Item("B", 3)])
    criado = PedidoCriado(id=uuid4(), source="/t", subject=PEDIDO, time=AGORA, data=dados)
    assert list(somar_itens(criado).items()) == [("A", 2), ("B", 4)]
    pedido, _ = decidir_um(criado, A=9, B=3)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL


ESTADOS = {
    "desconhecido": None,
    "vigente": reservado(DEPOIS, A=2, B=3),
    "vencido": reservado(AGORA, A=2, B=3),
    "vencido em parte liberado": reservado(ANTES, B=3),
    "varrido": Pedido(PEDIDO, Status.RESERVA_EXPIRADA, 2, {"A": 2, "B": 3}),
    "fechado": Pedido(PEDIDO, Status.FECHADO, 2, {"A": 2, "B": 3}),
    "cancelado": Pedido(PEDIDO, Status.CANCELADO, 2, {}),
    "negado": Pedido(PEDIDO, Status.ESTOQUE_NAO_DISPONIVEL, 1, {"A": 2, "B": 3}),
}
R, F, C, N, X = (
    Status.ESTOQUE_RESERVADO,
    Status.FECHADO,
    Status.CANCELADO,
    Status.ESTOQUE_NAO_DISPONIVEL,
    Status.RESERVA_EXPIRADA,
)
FIM, CONHECIDO, VIGENTE = Recusa.PEDIDO_ENCERRADO, Recusa.PEDIDO_JA_CONHECIDO, Recusa.RESERVA_VIGENTE


@pytest.mark.parametrize(
    ("estado", "tipo", "status", "recusa", "movimento"),
    [
        # plenty of stock: what each command does in each state; (reserved, sold) of A and B
        ("desconhecido", PedidoCriado, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("desconhecido", FecharPedido, F, None, {"A": (0, 2), "B": (0, 3)}),
        ("desconhecido", ReservarPedido, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("desconhecido", CancelarPedido, C, None, {}),
        ("vigente", PedidoCriado, R, CONHECIDO, {}),
        ("vigente", FecharPedido, F, None, {"A": (-2, 2), "B": (-3, 3)}),
        ("vigente", ReservarPedido, R, VIGENTE, {}),
        ("vigente", CancelarPedido, C, None, {"A": (-2, 0), "B": (-3, 0)}),
        ("vencido", PedidoCriado, R, CONHECIDO, {}),
        ("vencido", FecharPedido, F, None, {"A": (-2, 2), "B": (-3, 3)}),
        ("vencido", ReservarPedido, R, None, {}),
        ("vencido", CancelarPedido, C, None, {"A": (-2, 0), "B": (-3, 0)}),
        ("vencido em parte liberado", FecharPedido, F, None, {"A": (0, 2), "B": (-3, 3)}),
        ("vencido em parte liberado", ReservarPedido, R, None, {"A": (2, 0)}),
        ("vencido em parte liberado", CancelarPedido, C, None, {"B": (-3, 0)}),
        ("varrido", PedidoCriado, X, CONHECIDO, {}),
        ("varrido", FecharPedido, F, None, {"A": (0, 2), "B": (0, 3)}),
        ("varrido", ReservarPedido, R, None, {"A": (2, 0), "B": (3, 0)}),
        ("varrido", CancelarPedido, C, None, {}),
        *[
            (estado, tipo, ESTADOS[estado].status, FIM, {})
            for estado in ("fechado", "cancelado", "negado")
            for tipo in (PedidoCriado, FecharPedido, ReservarPedido, CancelarPedido)
        ],
    ],
)
def test_order_life(estado, tipo, status, recusa, movimento):
    antes = ESTADOS[estado]
    pedido, decisao = decidir_um(comando(tipo, A=2, B=3), antes, A=10, B=10)
    assert (pedido.status, decisao.fatos[0].recusa) == (status, recusa)
    assert movimentos(decisao) == movimento
    assert pedido.versao == (antes.versao if antes else 0) + 1, "every new command is answered by the next version"
    assert decisao.fatos[0].pedido is pedido
    if recusa:
        assert (pedido.linhas, pedido.expira_em) == (antes.linhas, antes.expira_em)
        assert not decisao.linhas_mudadas


@pytest.mark.parametrize("tipo", [FecharPedido, ReservarPedido])
@pytest.mark.parametrize("estado", ["vencido em parte liberado", "varrido"])
def test_lapsed_order_is_checked_anew_and_ends_when_units_lack(estado: str, tipo: type):
    pedido, decisao = decidir_um(comando(tipo, A=2, B=3), ESTADOS[estado], A=1, B=0)
    assert pedido.status == Status.ESTOQUE_NAO_DISPONIVEL
    assert ("A", 1) in [(f.sku, f.disponivel) for f in pedido.itens_em_falta]
    assert pedido.linhas == {}
    assert all(m.reservado <= 0 and m.vendido == 0 for m in decisao.movimentos.values())


def test_lapsed_order_may_use_the_units_it_still_holds():
    pedido, _ = decidir_um(comando(ReservarPedido, A=2, B=3), ESTADOS["vencido"], A=0, B=0)
    assert pedido.status == Status.ESTOQUE_RESERVADO
    assert pedido.expira_em == AGORA + TTL


def test_units_given_back_where_more_are_committed_than_declared_are_not_to_be_had():
    saldos = {"A": Saldo(-4), "B": Saldo(0)}
    pedido = reservado(DEPOIS, A=2, B=3)
    outro = UUID(int=2)
    lote = [comando(CancelarPedido), comando(PedidoCriado, outro, A=1)]
    decisao = decidir(lote, {PEDIDO: pedido}, saldos, AGORA, TTL)
    assert decisao.pedidos[outro].status == Status.ESTOQUE_NAO_DISPONIVEL


def test_created_and_cancelled_in_one_batch_is_told_twice_and_holds_nothing():
    decisao = decidir([comando(PedidoCriado, A=1), comando(CancelarPedido)], {}, {"A": Saldo(1)}, AGORA, TTL)
    assert [f.pedido.versao for f in decisao.fatos] == [1, 2]
    assert [f.pedido.status for f in decisao.fatos] == [Status.ESTOQUE_RESERVADO, Status.CANCELADO]
    assert movimentos(decisao) == {}
    assert decisao.pedidos[PEDIDO].linhas == {}


def test_shortage_is_what_all_commands_want_beyond_what_is_free():
    lote = [comando(PedidoCriado, A=3, B=1), comando(PedidoCriado, A=2, Z=1), comando(CancelarPedido)]
    assert faltas(lote, {"A": Saldo(4), "B": Saldo(1)}) == {"A": 1}
    assert faltas(lote, {"A": Saldo(-4), "B": Saldo(0)}) == {"A": 9, "B": 1}


SKUS = st.sampled_from("ABC")
TIPOS = st.sampled_from([PedidoCriado, FecharPedido, CancelarPedido, ReservarPedido])
COMANDOS = st.lists(
    st.builds(
        lambda tipo, n, itens: comando(tipo, UUID(int=n), **itens),
        TIPOS,
        st.integers(1, 4),
        st.dictionaries(SKUS, st.integers(1, 4), min_size=1),
    ),
    max_size=12,
)


@settings(derandomize=True)
@given(COMANDOS, st.dictionaries(SKUS, st.integers(0, 8)))
def test_whatever_the_batch_units_are_conserved_and_never_negative(lote: list[Comando], livres: dict[str, int]):
    saldos = {sku: Saldo(livre) for sku, livre in livres.items()}
    decisao = decidir(lote, {}, saldos, AGORA, TTL)
    for sku, livre in livres.items():
        presos = [p.linhas.get(sku, 0) for p in decisao.pedidos.values() if p.status == Status.ESTOQUE_RESERVADO]
        vendidos = [p.linhas.get(sku, 0) for p in decisao.pedidos.values() if p.status == Status.FECHADO]
        movimento = movimentos(decisao).get(sku, (0, 0))
        assert movimento == (sum(presos), sum(vendidos))
        assert saldos[sku].livre == livre - sum(movimento)
        assert saldos[sku].livre >= 0
    for pedido in decisao.pedidos.values():
        held = pedido.status in (Status.ESTOQUE_RESERVADO, Status.FECHADO)
        assert pedido.linhas == (pedido.itens if held else {}), "all items or none"


@pytest.mark.parametrize(("se_versao", "recusa"), [(None, None), (4, None), (3, None), (2, Recusa.PEDIDO_MUDOU)])
def test_a_cancel_about_a_version_is_refused_once_there_is_a_newer_one(se_versao: int | None, recusa: Recusa | None):
    dados = PedidoCancelado(pedido_id=PEDIDO, versao=se_versao)
    cancelar = CancelarPedido(id=uuid4(), source="/t", subject=PEDIDO, time=AGORA, data=dados)
    antes = replace(reservado(DEPOIS, A=2, B=3), versao=3)
    depois, decisao = decidir_um(cancelar, antes, A=0, B=0)
    assert decisao.fatos[0].recusa == recusa
    assert depois.status == (Status.CANCELADO if recusa is None else Status.ESTOQUE_RESERVADO)
    assert depois.versao == 4
