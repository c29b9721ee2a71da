"""Schemas and code agree on what an event is: what we write fits, and the decoder accepts nothing that does not."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from contratos.esquemas import esquema, tipos
from contratos.exemplos import EVENTOS, exemplos
from reservaestoque import events
from reservaestoque.events import CloudEvent, Decoder, Item, ItemEmFalta, Motivo, Status, encode_batches
from reservaestoque.events.pedidos import MAX_QUANTIDADE

# Formats are asserted here: what is no date-time does not pass for one.
VALIDADORES = {
    nome: Draft202012Validator(esquema(tipo), format_checker=FormatChecker(["uuid", "date-time"]))
    for nome, tipo in tipos().items()
}
DECODIFICADORES = {nome: Decoder[CloudEvent](tipo) for nome, tipo in tipos().items()}


SEM_PRESSA = settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


def aceita(tipo: str, evento: Any) -> bool:
    """Whether the decoder makes an event of it."""
    aceitos, _ = DECODIFICADORES[tipo].decode(json.dumps([evento]).encode())
    return bool(aceitos)


def ids(versao: int = 7) -> st.SearchStrategy[UUID]:
    return st.uuids(version=4).map(lambda um: UUID(int=um.int & ~(0xF << 76) | versao << 76))


instantes = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis wants it so
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3)), timezone(timedelta(hours=5, minutes=45))]),
)
textos = st.text(st.characters(codec="utf-8"), max_size=30)
skus = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
itens = st.lists(st.builds(Item, skus, st.integers(1, MAX_QUANTIDADE)), min_size=1, max_size=5)
faltas = st.builds(ItemEmFalta, textos, st.integers(0, 10**9), st.integers(-(10**6), 10**9), st.sampled_from(Motivo))


def dados(tipo: str) -> st.SearchStrategy[Any]:
    match tipo:
        case "PedidoCriado":
            return st.builds(events.PedidoData, pedido_id=ids(), cliente_id=textos, itens=itens)
        case "CancelarPedido":
            return st.builds(events.PedidoCancelado, pedido_id=ids())
        case "FecharPedido" | "ReservarPedido":
            return st.builds(events.ItensDoPedido, pedido_id=ids(), itens=itens)
        case _:
            return st.builds(
                events.StatusAtualizado,
                pedido_id=ids(),
                status=st.sampled_from(Status),
                versao=st.integers(1, 2**62),
                causa=st.none() | ids(),
                recusa=st.none() | textos,
                expira_em=st.none() | instantes,
                itens_em_falta=st.lists(faltas, max_size=3),
            )


def eventos(tipo: str) -> st.SearchStrategy[CloudEvent]:
    return st.builds(
        tipos()[tipo],
        id=textos.filter(bool) if tipo == "AtualizarStatus" else ids(),
        source=textos.filter(bool),
        subject=ids(),
        time=instantes,
        traceparent=st.text("0123456789abcdef-", max_size=128),
        data=dados(tipo),
    )


@pytest.mark.parametrize("evento", EVENTOS, ids=lambda um: type(um).__name__)
def test_examples_are_events_that_fit_their_schema_and_no_other(evento: CloudEvent):
    tipo = type(evento).__name__
    [escrito] = exemplos()[tipo]
    assert DECODIFICADORES[tipo].decode(json.dumps([escrito]).encode()) == ([evento], [])
    assert [nome for nome, um in VALIDADORES.items() if um.is_valid(escrito)] == [tipo]


@pytest.mark.parametrize("tipo", tipos())
@SEM_PRESSA
@given(data=st.data())
def test_whatever_the_encoder_writes_fits_the_schema(tipo: str, data: st.DataObject):
    evento = data.draw(eventos(tipo))
    [(_, corpo)] = encode_batches([evento])
    VALIDADORES[tipo].validate(json.loads(corpo)[0])
    assert DECODIFICADORES[tipo].decode(corpo) == ([evento], [])


@pytest.mark.parametrize("tipo", tipos())
def test_fields_of_a_newer_version_are_accepted_everywhere(tipo: str):
    [evento] = deepcopy(exemplos()[tipo])
    evento["novidade"] = {"a": [1, None]}
    evento["data"]["cupom"] = "X"
    for item in [*evento["data"].get("itens", []), *evento["data"].get("itensEmFalta", [])]:
        item["lote"] = 7
    VALIDADORES[tipo].validate(evento)
    assert aceita(tipo, evento)


json_qualquer = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | textos,
    lambda filhos: st.lists(filhos, max_size=3) | st.dictionaries(textos, filhos, max_size=3),
    max_leaves=5,
)
quase = st.sampled_from(
    [
        "",
        "2026-11-24T12:00:00",
        "2026-11-24T12:00:00Z",
        "2026-13-01T00:00:00Z",
        "1.0",
        "0.3",
        "019AB3F2-7C00-7000-8000-0000000000A1",
        "019ab3f2-7c00-7000-8000",
        "A" * 64,
        "A" * 65,
        "A\n",
        "x" * 129,
        0,
        1,
        -1,
        2.0,
        1.5,
        MAX_QUANTIDADE,
        MAX_QUANTIDADE + 1,
        [],
        {},
        None,
        *Status,
        *Motivo,
        *tipos(),
    ]
)


def lugares(valor: Any, aqui: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    filhos = valor.items() if isinstance(valor, dict) else enumerate(valor) if isinstance(valor, list) else ()
    dentro = [lugar for chave, filho in filhos for lugar in lugares(filho, (*aqui, chave))]
    return [aqui, *dentro] if aqui else dentro


@st.composite
def mutacoes(draw: st.DrawFn, tipo: str) -> Any:
    """An event with one to three things about it changed: taken away, replaced, added, repeated."""
    [evento] = deepcopy(exemplos()[tipo])
    for _ in range(draw(st.integers(1, 3))):
        *caminho, chave = draw(st.sampled_from(lugares(evento)))
        dono = evento
        for parte in caminho:
            dono = dono[parte]
        match draw(st.sampled_from(["replace", "nearly", "remove", "add", "repeat"])):
            case "replace":
                dono[chave] = draw(json_qualquer)
            case "nearly":
                dono[chave] = draw(quase)
            case "remove":
                del dono[chave]
            case "add" if isinstance(dono, dict):
                dono[draw(textos)] = draw(json_qualquer)
            case _ if isinstance(dono, list):
                dono *= draw(st.integers(1, 101))
    return evento


@pytest.mark.parametrize("tipo", tipos())
@SEM_PRESSA
@given(data=st.data())
def test_the_decoder_accepts_nothing_that_the_schema_does_not(tipo: str, data: st.DataObject):
    evento = data.draw(mutacoes(tipo))
    if aceita(tipo, evento):
        VALIDADORES[tipo].validate(evento)


@pytest.mark.parametrize("tipo", tipos())
@SEM_PRESSA
@given(data=st.data())
def test_what_fits_the_schema_is_decoded_unless_a_number_is_written_as_a_fraction(tipo: str, data: st.DataObject):
    """JSON Schema takes 2.0 and 2e16 for integers; our decoder does not."""
    evento = data.draw(mutacoes(tipo))
    if VALIDADORES[tipo].is_valid(evento) and not tem_fracao_inteira(evento):
        assert aceita(tipo, evento)


def tem_fracao_inteira(valor: Any) -> bool:
    if isinstance(valor, dict | list):
        return any(map(tem_fracao_inteira, valor.values() if isinstance(valor, dict) else valor))
    return isinstance(valor, float) and valor.is_integer()


@pytest.mark.parametrize(
    ("campo", "escrito"),
    [
        ("id", "019ab3f27c00700080000000000000a1"),
        ("time", "2026-11-24 12:00:00Z"),
    ],
    ids=["a UUID without hyphens", "a time with a space"],
)
def test_the_decoder_is_more_lenient_only_in_how_ids_and_times_are_written(campo: str, escrito: str):
    [evento] = deepcopy(exemplos()["FecharPedido"])
    evento[campo] = escrito
    assert aceita("FecharPedido", evento)
    assert not VALIDADORES["FecharPedido"].is_valid(evento)


@pytest.mark.parametrize("tipo", tipos())
@pytest.mark.parametrize("campo", ["id", "source", "subject", "time", "data"])
def test_events_without_a_field_that_they_need_fit_nowhere(tipo: str, campo: str):
    [evento] = deepcopy(exemplos()[tipo])
    del evento[campo]
    assert not VALIDADORES[tipo].is_valid(evento)
    assert not aceita(tipo, evento)
