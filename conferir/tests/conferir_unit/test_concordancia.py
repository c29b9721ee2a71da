"""What pedidos and estoque may say of one another, as tables."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from conferir.concordancia import (
    Comando,
    Criterio,
    Historia,
    Instantes,
    Par,
    conferir_comando,
    conferir_par,
    conferir_versao,
    parece_bem,
)
from conferir.pedido import Pedido
from conferir.violacao import Regra

AGORA = datetime(2026, 11, 24, tzinfo=UTC)
INSTANTES = Instantes(AGORA, AGORA)
NOVO, VELHO = AGORA - timedelta(hours=1), AGORA - timedelta(days=40)
LOGO, PASSOU = AGORA + timedelta(minutes=9), AGORA - timedelta(minutes=9)
ID = UUID(int=7)
CRITERIO = Criterio(retencao=timedelta(hours=20), entrega=timedelta(minutes=10))
REPOUSO = Criterio(em_repouso=True)


def dito(status: str, versao: int = 1, **mudado: Any) -> Pedido:
    campos = {
        "itens": '{"A": 1}',
        "itens_em_falta": "[]",
        "expira_em": LOGO if status == "EstoqueReservado" else None,
        "criado_em": NOVO,
        "atualizado_em": NOVO,
    }
    return Pedido(ID, status, versao, **{**campos, **mudado})


def regra(par: Par, criterio: Criterio = CRITERIO) -> Regra | None:
    violacao = conferir_par(par, INSTANTES, criterio)
    assert violacao is None or not parece_bem(par)
    return violacao.regra if violacao else None


CRIADO = dito("Criado", 0)
RESERVADO, FECHADO, VENCIDO = dito("EstoqueReservado"), dito("Fechado", 2), dito("ReservaExpirada", 2)


@pytest.mark.parametrize(
    "par",
    [
        Par(RESERVADO, RESERVADO),
        Par(None, None),
        Par(CRIADO, None, pendente=True),
        Par(CRIADO, RESERVADO, pendente=True),
        Par(RESERVADO, FECHADO, pendente=True),
        Par(RESERVADO, VENCIDO, a_caminho=True),
        Par(RESERVADO, VENCIDO._replace(atualizado_em=PASSOU)),
        Par(FECHADO._replace(criado_em=VELHO), None),
        Par(None, FECHADO._replace(criado_em=VELHO)),
        Par(dito("Cancelado"), dito("Cancelado", itens="{}")),
    ],
)
def test_what_agrees_or_explains_itself(par: Par):
    assert regra(par) is None


@pytest.mark.parametrize(
    ("par", "quebrada"),
    [
        (Par(None, FECHADO), Regra.ACORDO),
        (Par(None, RESERVADO._replace(criado_em=VELHO)), Regra.ACORDO),
        (Par(FECHADO, None), Regra.ACORDO),
        (Par(RESERVADO._replace(criado_em=VELHO), None), Regra.ACORDO),
        (Par(CRIADO, None), Regra.SEM_DECISAO),
        (Par(CRIADO, RESERVADO), Regra.SEM_DECISAO),
        (Par(FECHADO, RESERVADO, pendente=True), Regra.ACORDO),
        (Par(dito("Cancelado"), dito("Fechado"), pendente=True), Regra.ACORDO),
        (Par(RESERVADO, FECHADO), Regra.ACORDO),
        (Par(RESERVADO, VENCIDO), Regra.ACORDO),
        (Par(RESERVADO, RESERVADO._replace(expira_em=PASSOU)), Regra.ACORDO),
        (Par(dito("Fechado"), dito("Fechado", itens='{"A": 2}')), Regra.ACORDO),
        (Par(dito("Fechado"), dito("Fechado", itens="{}")), Regra.ACORDO),
        (
            Par(dito("EstoqueNaoDisponivel"), dito("EstoqueNaoDisponivel", itens_em_falta='[{"sku": "A"}]')),
            Regra.ACORDO,
        ),
    ],
)
def test_what_does_not(par: Par, quebrada: Regra):
    assert regra(par) == quebrada


@pytest.mark.parametrize(
    ("par", "quebrada"),
    [
        (Par(RESERVADO, RESERVADO), None),
        (Par(CRIADO, None, pendente=True), Regra.SEM_DECISAO),
        (Par(RESERVADO, FECHADO, pendente=True), Regra.ACORDO),
        (Par(RESERVADO, VENCIDO._replace(atualizado_em=AGORA), a_caminho=True), Regra.ACORDO),
    ],
)
def test_at_rest_nothing_is_on_its_way(par: Par, quebrada: Regra | None):
    assert regra(par, REPOUSO) == quebrada


def comando(*, respondido: bool = True, pendente: bool = False, **mudado: Any) -> Comando:
    campos = {"tipo": "FecharPedido", "criado_em": NOVO, "recusa": None}
    return Comando(UUID(int=9), ID, pendente=pendente, respondido=respondido, **{**campos, **mudado})


@pytest.mark.parametrize(
    ("um", "inbox", "quebrada"),
    [
        (comando(), {UUID(int=9): None}, None),
        (comando(recusa="PedidoEncerrado"), {UUID(int=9): "PedidoEncerrado"}, None),
        (comando(respondido=False, pendente=True), {}, None),
        (comando(criado_em=VELHO), {}, None),
        (comando(), {}, Regra.RESPOSTA),
        (comando(), {UUID(int=9): "PedidoEncerrado"}, Regra.RESPOSTA),
        (comando(respondido=False), {}, Regra.SEM_RESPOSTA),
    ],
)
def test_commands(um: Comando, inbox: dict[UUID, str | None], quebrada: Regra | None):
    violacao = conferir_comando(um, inbox, AGORA, CRITERIO)
    assert (violacao.regra if violacao else None) == quebrada


def test_at_rest_every_command_is_answered():
    violacao = conferir_comando(comando(respondido=False, pendente=True), {}, AGORA, REPOUSO)
    assert violacao is not None
    assert violacao.regra == Regra.SEM_RESPOSTA


@pytest.mark.parametrize(
    ("status", "comandos", "reservas", "fechamentos", "mais_alta"),
    [
        ("EstoqueReservado", 1, 1, 0, 1),  # created
        ("ReservaExpirada", 1, 1, 0, 2),  # created, lapsed
        ("EstoqueReservado", 2, 2, 0, 3),  # created, lapsed, renewed
        ("EstoqueReservado", 2, 1, 0, 2),  # created, a renewal refused
        ("EstoqueNaoDisponivel", 1, 1, 0, 1),  # refused at once
        ("EstoqueNaoDisponivel", 2, 2, 0, 3),  # created, lapsed, not to be had again
        ("EstoqueNaoDisponivel", 2, 1, 1, 3),  # created, lapsed, closed too late
        ("Fechado", 2, 1, 1, 3),  # created, lapsed, closed all the same
        ("Cancelado", 2, 0, 0, 2),  # a cancel that overtook its order
    ],
)
def test_no_order_has_more_versions_than_commands_and_lapses(
    status: str, comandos: int, reservas: int, fechamentos: int, mais_alta: int
):
    assert conferir_versao(Historia(ID, status, mais_alta, comandos, reservas, fechamentos)) is None
    violacao = conferir_versao(Historia(ID, status, mais_alta + 1, comandos, reservas, fechamentos))
    assert violacao is not None
    assert violacao.regra == Regra.VERSAO
