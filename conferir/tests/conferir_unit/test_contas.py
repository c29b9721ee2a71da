"""The rules of the ledger as a table: what is legal passes, every kind of wrong is named."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from conferir.contas import Linha, Sku, conferir_pedido, conferir_sku
from conferir.pedido import Pedido
from conferir.violacao import Regra

AGORA = datetime(2026, 11, 24, tzinfo=UTC)
DEPOIS, ANTES = AGORA + timedelta(minutes=5), AGORA - timedelta(minutes=5)
ID = UUID(int=7)


def sku(**mudado: int) -> Sku:
    """Ten declared, three reserved, four sold, of which one is archived."""
    bom = {
        "alvo": 10,
        "quantidade": 10,
        "reservado": 3,
        "vendido": 4,
        "arquivado": 1,
        "presas": 3,
        "vendidas": 3,
    }
    return Sku("A", **{**bom, **mudado})


def pedido(status: str, itens: str = '{"A": 2, "B": 1}', expira_em: datetime | None = None) -> Pedido:
    return Pedido(ID, status, 1, itens, "[]", expira_em, ANTES, ANTES)


def linha(sku: str = "A", quantidade: int = 2, *, expira_em: datetime = DEPOIS, vendida: bool = False) -> Linha:
    return Linha(ID, sku, quantidade, expira_em, vendida, sku != "SUMIU")


@pytest.mark.parametrize(
    ("row", "regras"),
    [
        (sku(), []),
        (sku(alvo=5, quantidade=7), []),
        (sku(reservado=7, presas=7, quantidade=10), [Regra.SUPRIMENTO]),
        (sku(quantidade=11), [Regra.SUPRIMENTO]),
        (sku(alvo=5, quantidade=8), [Regra.SUPRIMENTO]),
        (sku(presas=2), [Regra.CONTADORES]),
        (sku(vendidas=4), [Regra.CONTADORES]),
        (sku(arquivado=0), [Regra.CONTADORES]),
    ],
)
def test_stock_rows(row: Sku, regras: list[Regra]):
    assert [v.regra for v in conferir_sku(row)] == regras


@pytest.mark.parametrize(
    ("um", "linhas"),
    [
        (pedido("EstoqueReservado", expira_em=DEPOIS), [linha(), linha("B", 1)]),
        (pedido("Fechado"), [linha(vendida=True), linha("B", 1, vendida=True)]),
        (pedido("Cancelado"), []),
        (pedido("Cancelado", "{}"), []),
        (pedido("EstoqueNaoDisponivel"), []),
        (pedido("ReservaExpirada"), []),
    ],
)
def test_orders_that_hold_what_they_say(um: Pedido, linhas: list[Linha]):
    assert list(conferir_pedido(ID, um, linhas, AGORA)) == []


@pytest.mark.parametrize("linhas", [[], [linha(expira_em=ANTES)], [linha("B", 1, expira_em=ANTES)]])
def test_a_lapsed_reservation_that_nobody_swept_may_have_lost_any_line(linhas: list[Linha]):
    assert list(conferir_pedido(ID, pedido("EstoqueReservado", expira_em=ANTES), linhas, AGORA)) == []


@pytest.mark.parametrize(
    ("um", "linhas", "dito"),
    [
        (None, [linha()], "1 lines of an order that there is not"),
        (pedido("EstoqueReservado", expira_em=DEPOIS), [linha()], "1 lines for 2 items"),
        (pedido("Fechado"), [linha(vendida=True)], "1 lines for 2 items"),
        (pedido("Fechado", "{}"), [], "without items"),
        (pedido("Fechado", "[]"), [], "no units by SKU"),
        (pedido("Cancelado"), [linha()], "holds nothing"),
        (pedido("ReservaExpirada"), [linha(vendida=True)], "holds nothing"),
        (pedido("Fechado", '{"A": 2}'), [linha()], "held by an order that was closed"),
        (
            pedido("EstoqueReservado", '{"A": 2}', DEPOIS),
            [linha(vendida=True)],
            "sold by an order that is not closed",
        ),
        (pedido("EstoqueReservado", '{"A": 2}', DEPOIS), [linha(expira_em=ANTES)], "at another time"),
        (pedido("EstoqueReservado", '{"A": 3}', DEPOIS), [linha()], "asks for 3"),
        (pedido("EstoqueReservado", '{"A": 2}', DEPOIS), [linha(), linha("C", 1)], "asks for 0"),
        (pedido("EstoqueReservado", '{"SUMIU": 2}', DEPOIS), [linha("SUMIU")], "no such SKU"),
    ],
)
def test_orders_that_do_not(um: Pedido | None, linhas: list[Linha], dito: str):
    [violacao] = conferir_pedido(ID, um, linhas, AGORA)
    assert violacao.regra == Regra.LINHAS
    assert violacao.chave == str(ID)
    assert dito in violacao.detalhe
