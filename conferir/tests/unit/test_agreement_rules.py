"""The agreement rules as tables."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from conferir.agreement_rules import (
    Clocks,
    Command,
    Criteria,
    History,
    Pair,
    check_command,
    check_pair,
    check_version,
    looks_consistent,
)
from conferir.pedido import Pedido
from conferir.violation import Rule

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CLOCKS = Clocks(NOW, NOW)
NEW, OLD = NOW - timedelta(hours=1), NOW - timedelta(days=40)
SOON, PAST = NOW + timedelta(minutes=9), NOW - timedelta(minutes=9)
ID = UUID(int=7)
CRITERIA = Criteria(retention=timedelta(hours=20), delivery=timedelta(minutes=10))
AT_REST = Criteria(at_rest=True)


def pedido(status: str, versao: int = 1, **changed: Any) -> Pedido:
    fields = {
        "itens": '{"A": 1}',
        "itens_em_falta": "[]",
        "expira_em": SOON if status == "EstoqueReservado" else None,
        "criado_em": NEW,
        "atualizado_em": NEW,
    }
    return Pedido(ID, status, versao, **{**fields, **changed})


def rule(pair: Pair, criteria: Criteria = CRITERIA) -> Rule | None:
    violation = check_pair(pair, CLOCKS, criteria)
    assert violation is None or not looks_consistent(pair)
    return violation.rule if violation else None


CRIADO = pedido("Criado", 0)
RESERVADO, FECHADO, EXPIRED = pedido("EstoqueReservado"), pedido("Fechado", 2), pedido("ReservaExpirada", 2)


@pytest.mark.parametrize(
    "pair",
    [
        Pair(RESERVADO, RESERVADO),
        Pair(None, None),
        Pair(CRIADO, None, pending=True),
        Pair(CRIADO, RESERVADO, pending=True),
        Pair(RESERVADO, FECHADO, pending=True),
        Pair(RESERVADO, EXPIRED, in_flight=True),
        Pair(RESERVADO, EXPIRED._replace(atualizado_em=PAST)),
        Pair(FECHADO._replace(criado_em=OLD), None),
        Pair(None, FECHADO._replace(criado_em=OLD)),
        Pair(pedido("Cancelado"), pedido("Cancelado", itens="{}")),
    ],
)
def test_agreement_and_legitimate_differences(pair: Pair):
    assert rule(pair) is None


@pytest.mark.parametrize(
    ("pair", "broken"),
    [
        (Pair(None, FECHADO), Rule.AGREEMENT),
        (Pair(None, RESERVADO._replace(criado_em=OLD)), Rule.AGREEMENT),
        (Pair(FECHADO, None), Rule.AGREEMENT),
        (Pair(RESERVADO._replace(criado_em=OLD), None), Rule.AGREEMENT),
        (Pair(CRIADO, None), Rule.UNDECIDED),
        (Pair(CRIADO, RESERVADO), Rule.UNDECIDED),
        (Pair(FECHADO, RESERVADO, pending=True), Rule.AGREEMENT),
        (Pair(pedido("Cancelado"), pedido("Fechado"), pending=True), Rule.AGREEMENT),
        (Pair(RESERVADO, FECHADO), Rule.AGREEMENT),
        (Pair(RESERVADO, EXPIRED), Rule.AGREEMENT),
        (Pair(RESERVADO, RESERVADO._replace(expira_em=PAST)), Rule.AGREEMENT),
        (Pair(pedido("Fechado"), pedido("Fechado", itens='{"A": 2}')), Rule.AGREEMENT),
        (Pair(pedido("Fechado"), pedido("Fechado", itens="{}")), Rule.AGREEMENT),
        (
            Pair(pedido("EstoqueNaoDisponivel"), pedido("EstoqueNaoDisponivel", itens_em_falta='[{"sku": "A"}]')),
            Rule.AGREEMENT,
        ),
    ],
)
def test_disagreements(pair: Pair, broken: Rule):
    assert rule(pair) == broken


@pytest.mark.parametrize(
    ("pair", "broken"),
    [
        (Pair(RESERVADO, RESERVADO), None),
        (Pair(CRIADO, None, pending=True), Rule.UNDECIDED),
        (Pair(RESERVADO, FECHADO, pending=True), Rule.AGREEMENT),
        (Pair(RESERVADO, EXPIRED._replace(atualizado_em=NOW), in_flight=True), Rule.AGREEMENT),
    ],
)
def test_at_rest_nothing_may_be_in_flight(pair: Pair, broken: Rule | None):
    assert rule(pair, AT_REST) == broken


def command(*, answered: bool = True, pending: bool = False, **changed: Any) -> Command:
    fields = {"tipo": "FecharPedido", "criado_em": NEW, "recusa": None}
    return Command(UUID(int=9), ID, pending=pending, answered=answered, **{**fields, **changed})


@pytest.mark.parametrize(
    ("checked", "inbox", "broken"),
    [
        (command(), {UUID(int=9): None}, None),
        (command(recusa="PedidoEncerrado"), {UUID(int=9): "PedidoEncerrado"}, None),
        (command(answered=False, pending=True), {}, None),
        (command(criado_em=OLD), {}, None),
        (command(), {}, Rule.ANSWER),
        (command(), {UUID(int=9): "PedidoEncerrado"}, Rule.ANSWER),
        (command(answered=False), {}, Rule.UNANSWERED),
    ],
)
def test_commands(checked: Command, inbox: dict[UUID, str | None], broken: Rule | None):
    violation = check_command(checked, inbox, NOW, CRITERIA)
    assert (violation.rule if violation else None) == broken


def test_at_rest_every_command_is_answered():
    violation = check_command(command(answered=False, pending=True), {}, NOW, AT_REST)
    assert violation is not None
    assert violation.rule == Rule.UNANSWERED


@pytest.mark.parametrize(
    ("status", "commands", "reservas", "closes", "highest"),
    [
        ("EstoqueReservado", 1, 1, 0, 1),  # created
        ("ReservaExpirada", 1, 1, 0, 2),  # created, lapsed
        ("EstoqueReservado", 2, 2, 0, 3),  # created, lapsed, renewed
        ("EstoqueReservado", 2, 1, 0, 2),  # created, renewal refused
        ("EstoqueNaoDisponivel", 1, 1, 0, 1),  # refused at once
        ("EstoqueNaoDisponivel", 2, 2, 0, 3),  # created, lapsed, renewal refused for lack of stock
        ("EstoqueNaoDisponivel", 2, 1, 1, 3),  # created, lapsed, closed too late
        ("Fechado", 2, 1, 1, 3),  # created, lapsed, closed after a new check
        ("Cancelado", 2, 0, 0, 2),  # a cancel that overtook its order
    ],
)
def test_no_order_has_more_versions_than_commands_and_lapses(
    status: str, commands: int, reservas: int, closes: int, highest: int
):
    assert check_version(History(ID, status, highest, commands, reservas, closes)) is None
    violation = check_version(History(ID, status, highest + 1, commands, reservas, closes))
    assert violation is not None
    assert violation.rule == Rule.VERSION
