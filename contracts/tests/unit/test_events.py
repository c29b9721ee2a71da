"""Schemas and codec agree: encoded events satisfy the schema, and the decoder accepts nothing that violates it."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from contracts.examples import EVENTS, examples
from contracts.schemas import event_types, json_schema
from reservaestoque import events
from reservaestoque.events import CloudEvent, Decoder, Item, ItemEmFalta, Motivo, Status, encode_batches
from reservaestoque.events.pedidos import MAX_QUANTIDADE

# JSON Schema treats formats as annotations unless a validator is told to assert them.
VALIDATORS = {
    name: Draft202012Validator(json_schema(event_type), validate_formats=True)
    for name, event_type in event_types().items()
}
DECODERS = {name: Decoder[CloudEvent](event_type) for name, event_type in event_types().items()}


UNHURRIED = settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


def accepts(event_type: str, event: Any) -> bool:
    """Whether the decoder accepts the event."""
    accepted, _ = DECODERS[event_type].decode(json.dumps([event]).encode())
    return bool(accepted)


def ids(version: int = 7) -> st.SearchStrategy[UUID]:
    return st.uuids(version=4).map(lambda each: UUID(int=each.int & ~(0xF << 76) | version << 76))


instants = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis requires naive bounds
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3)), timezone(timedelta(hours=5, minutes=45))]),
)
quantities = st.integers(0, 10**9)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
skus = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
itens = st.lists(st.builds(Item, skus, st.integers(1, MAX_QUANTIDADE)), min_size=1, max_size=5)
missing_items = st.builds(ItemEmFalta, texts, quantities, st.integers(-(10**6), 10**9), st.sampled_from(Motivo))


def data(event_type: str) -> st.SearchStrategy[Any]:
    match event_type:
        case "PedidoCriado":
            return st.builds(events.PedidoData, pedido_id=ids(), cliente_id=texts, itens=itens)
        case "CancelarPedido":
            return st.builds(events.PedidoCancelado, pedido_id=ids())
        case "FecharPedido" | "ReservarPedido":
            return st.builds(events.ItensDoPedido, pedido_id=ids(), itens=itens)
        case _:
            return st.builds(
                events.StatusAtualizado,
                pedido_id=ids(),
                status=st.sampled_from(Status),
                versao=st.integers(1, 2**31 - 1),
                causa=st.none() | ids(),
                recusa=st.none() | texts,
                expira_em=st.none() | instants,
                itens_em_falta=st.lists(missing_items, max_size=3),
            )


def events_of(event_type: str) -> st.SearchStrategy[CloudEvent]:
    return st.builds(
        event_types()[event_type],
        id=texts.filter(bool) if event_type == "AtualizarStatus" else ids(),
        source=texts.filter(bool),
        subject=ids(),
        time=instants,
        traceparent=st.text("0123456789abcdef-", max_size=128),
        data=data(event_type),
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: type(each).__name__)
def test_examples_satisfy_their_own_schema_and_no_other(event: CloudEvent):
    event_type = type(event).__name__
    [written] = examples()[event_type]
    assert DECODERS[event_type].decode(json.dumps([written]).encode()) == ([event], [])
    assert [name for name, each in VALIDATORS.items() if each.is_valid(written)] == [event_type]


@pytest.mark.parametrize("event_type", event_types())
@UNHURRIED
@given(data=st.data())
def test_encoded_events_satisfy_the_schema(event_type: str, data: st.DataObject):
    event = data.draw(events_of(event_type))
    [(_, body)] = encode_batches([event])
    VALIDATORS[event_type].validate(json.loads(body)[0])
    assert DECODERS[event_type].decode(body) == ([event], [])


@pytest.mark.parametrize("event_type", event_types())
def test_unknown_fields_are_accepted_at_every_level(event_type: str):
    [event] = deepcopy(examples()[event_type])
    event["novidade"] = {"a": [1, None]}
    event["data"]["cupom"] = "X"
    for item in [*event["data"].get("itens", []), *event["data"].get("itensEmFalta", [])]:
        item["lote"] = 7
    VALIDATORS[event_type].validate(event)
    assert accepts(event_type, event)


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=5,
)
near_misses = st.sampled_from(
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
        *event_types(),
    ]
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every nested value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inside = [place for key, child in children for place in places(child, (*here, key))]
    return [here, *inside] if here else inside


@st.composite
def mutations(draw: st.DrawFn, event_type: str) -> Any:
    """An event with one to three mutations: a value removed, replaced, added or repeated."""
    [event] = deepcopy(examples()[event_type])
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from(places(event)))
        owner = event
        for part in path:
            owner = owner[part]
        match draw(st.sampled_from(["replace", "nearly", "remove", "add", "repeat"])):
            case "replace":
                owner[key] = draw(any_json)
            case "nearly":
                owner[key] = draw(near_misses)
            case "remove":
                del owner[key]
            case "add" if isinstance(owner, dict):
                owner[draw(texts)] = draw(any_json)
            case _ if isinstance(owner, list):
                owner *= draw(st.integers(1, 101))
                del owner[200:]  # a hundred are allowed; ten thousand would take a minute
    return event


@pytest.mark.parametrize("event_type", event_types())
@UNHURRIED
@given(data=st.data())
def test_the_decoder_accepts_nothing_that_violates_the_schema(event_type: str, data: st.DataObject):
    event = data.draw(mutations(event_type))
    if accepts(event_type, event):
        VALIDATORS[event_type].validate(event)


@pytest.mark.parametrize("event_type", event_types())
@UNHURRIED
@given(data=st.data())
def test_valid_events_are_decoded_unless_an_integer_is_written_as_a_float(event_type: str, data: st.DataObject):
    """JSON Schema treats 2.0 and 2e16 as integers; our decoder does not."""
    event = data.draw(mutations(event_type))
    if VALIDATORS[event_type].is_valid(event) and not has_whole_float(event):
        assert accepts(event_type, event)


def has_whole_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("id", "019ab3f27c00700080000000000000a1"),
        ("time", "2026-11-24 12:00:00Z"),
    ],
    ids=["a UUID without hyphens", "a time with a space"],
)
def test_the_decoder_is_more_lenient_only_in_how_ids_and_times_are_written(field: str, written: str):
    [event] = deepcopy(examples()["FecharPedido"])
    event[field] = written
    assert accepts("FecharPedido", event)
    assert not VALIDATORS["FecharPedido"].is_valid(event)


@pytest.mark.parametrize("event_type", event_types())
@pytest.mark.parametrize("field", ["id", "source", "subject", "time", "data"])
def test_events_that_lack_a_required_field_are_rejected_by_schema_and_decoder(event_type: str, field: str):
    [event] = deepcopy(examples()[event_type])
    del event[field]
    assert not VALIDATORS[event_type].is_valid(event)
    assert not accepts(event_type, event)
