"""Batches of CloudEvents: encoded events can be decoded again; one bad event does not spoil its neighbours."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from reservaestoque.events import Comando, Decoder, Item, PedidoCriado, PedidoData, encode_batches, new_id
from reservaestoque.events.batch import MAX_BYTES, MAX_EVENTS
from reservaestoque.events.pedidos import MAX_VERSAO

decoder = Decoder[Comando](Comando)


def criado(skus: int = 1, cliente: str = "ana") -> PedidoCriado:
    pedido = new_id()
    data = PedidoData(pedido_id=pedido, cliente_id=cliente, itens=[Item(f"S{n}", 1) for n in range(skus)])
    return PedidoCriado(id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=data)


def bodies(*events: PedidoCriado) -> list[bytes]:
    return [body for _, body in encode_batches(events)]


def test_round_trip():
    events = [criado(), criado(3)]
    [body] = bodies(*events)
    assert decoder.decode(body) == (events, [])
    first = msgspec.json.decode(body)[0]
    assert first["specversion"] == "1.0"
    assert first["type"] == "PedidoCriado"
    assert "traceparent" not in first


def test_batch_has_at_most_200_events():
    events = [criado() for _ in range(2 * MAX_EVENTS + 1)]
    assert [len(msgspec.json.decode(b)) for b in bodies(*events)] == [200, 200, 1]


def test_batch_has_at_most_one_mebibyte():
    parts = bodies(*[criado(100, "x" * 128) for _ in range(MAX_EVENTS)] * 2)
    assert max(map(len, parts)) <= MAX_BYTES
    assert sum(len(msgspec.json.decode(b)) for b in parts) == 2 * MAX_EVENTS


@pytest.mark.parametrize("versao", [-1, MAX_VERSAO + 1, 2**31 - 2, 10**30])
def test_a_command_whose_known_version_is_out_of_range_is_refused(versao: int):
    """A sweep of an order at its column's limit once failed, and the operator with it."""
    event = msgspec.json.decode(bodies(criado())[0])[0]
    event["data"]["versaoConhecida"] = versao
    good, bad = decoder.decode(msgspec.json.encode([event]))
    assert good == []
    assert "versaoConhecida" in bad[0].reason


def test_unknown_fields_are_accepted():
    event = criado()
    newer = msgspec.json.decode(bodies(event)[0])
    newer[0]["nova"] = {"a": 1}
    newer[0]["data"]["cupom"] = "X"
    assert decoder.decode(msgspec.json.encode(newer)) == ([event], [])


@pytest.mark.parametrize(
    "bad",
    [
        {},
        None,
        [],
        "x",
        {"type": "Other"},
        {"type": "AtualizarStatus"},
        {"type": "PedidoCriado", "specversion": "0.3"},
        {"type": "PedidoCriado", "specversion": "1.0", "id": "not-a-uuid"},
    ],
)
def test_a_bad_event_does_not_affect_its_neighbours(bad: object):
    event = criado()
    body = b"[%b,%b]" % (msgspec.json.encode(bad), bodies(event)[0][1:-1])
    events, rejected = decoder.decode(body)
    assert events == [event]
    [(kept, reason)] = rejected
    assert msgspec.json.decode(kept) == [bad]
    assert reason.startswith("not an event of this queue")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"{}", b"42", b"[" * 100_000, b"[1", b'"x"'])
def test_garbage_is_kept_whole_with_the_reason(body: bytes):
    events, rejected = decoder.decode(body)
    assert events == []
    assert [(r.body, r.reason[:29]) for r in rejected] == [(body, "the message is not a JSON arr")]


@pytest.mark.parametrize("typed", [{}, {"type": "no event"}, {"type": "no event", "never": 1}])
def test_an_event_without_a_type_is_refused_even_where_only_one_type_is_read(typed: dict[str, object]):
    untyped = msgspec.json.decode(bodies(criado())[0])[0]
    del untyped["type"]
    events, rejected = Decoder[PedidoCriado](PedidoCriado).decode(msgspec.json.encode([untyped | typed]))
    assert not events
    assert len(rejected) == 1


@pytest.mark.parametrize("time", ["2026-11-24T12:00:00", "2026-11-24", "yesterday", 0])
def test_a_time_without_an_offset_is_refused(time: object):
    event = msgspec.json.decode(bodies(criado())[0])[0]
    events, [rejected] = decoder.decode(msgspec.json.encode([event | {"time": time}]))
    assert not events
    assert "`$.time`" in rejected.reason


def test_quantities_and_skus_are_checked_again():
    event = msgspec.json.decode(bodies(criado())[0])[0]
    for item in ({"sku": "A", "quantidade": 0}, {"sku": "", "quantidade": 1}, {"sku": "A", "quantidade": 10**7}):
        event["data"]["itens"] = [item]
        events, [rejected] = decoder.decode(msgspec.json.encode([event]))
        assert not events
        assert "data.itens" in rejected.reason


def test_the_original_bytes_are_found_with_their_unknown_fields():
    event = criado()
    newer = msgspec.json.decode(bodies(event)[0])
    newer[0]["nova"] = 1
    body = msgspec.json.encode([{"x": 1}, *newer])
    assert msgspec.json.decode(decoder.find(body, event)) == newer
    assert decoder.find(bodies(criado())[0], event) is None
    assert decoder.find(b"garbage", event) is None


def test_ids_are_uuid_v7_in_order():
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {i.version for i in ids} == {7}
    assert type(ids[0]) is type(uuid4())
