"""A whole stream, without a network."""

import json
from math import inf
from typing import Any

import pytest
from scripted import BUSY, CUT, ORDER, Clock, Script

from reserva import (
    NotFoundError,
    Pedido,
    PositionLostError,
    Retry,
    Saldo,
    SkuEncerrado,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
)
from reserva.follow import Place, Source, follow, one_pedido, pedidos, saldos
from reserva.wire import Answer, Fault

ID = ORDER["pedidoId"]
OPENED = Answer(200, {"content-type": "text/event-stream"})
SALDO = {"sku": "A", "nome": "A", "quantidade": 5, "reservado": 1, "vendido": 0, "disponivel": 4}


def event(name: str, data: object, id: str = "") -> bytes:  # noqa: A002
    line = f"id: {id}\n" if id else ""
    return f"event: {name}\n{line}data: {json.dumps(data)}\n\n".encode()


def order(versao: int, status: str) -> bytes:
    return event("status", {**ORDER, "versao": versao, "status": status}, str(versao))


class Followed:
    def __init__(self, source: Source[Any], outcomes: list[Any], position: str = "", patience: float = inf) -> None:
        self.place = Place(position)
        self.script = Script(outcomes, Clock())
        self.steps = follow(source, self.place, Retry(deadline=10), patience, self.script.clock, lambda: 0.5)

    def run(self) -> list[Any]:
        self.script.run(self.steps)
        return self.script.events

    @property
    def positions(self) -> list[str | None]:
        return [request.headers.get("Last-Event-ID") for request in self.script.requests]


def test_an_order_is_followed_to_its_end():
    stream = Followed(one_pedido(ID), [OPENED, b"retry: 2000\n\n", order(1, "EstoqueReservado"), order(2, "Fechado")])
    events = stream.run()
    assert [(e.versao, e.status) for e in events] == [(1, "EstoqueReservado"), (2, "Fechado")]
    assert isinstance(events[0], Pedido)
    assert stream.script.requests[0].path == f"/pedidos/{ID}/eventos"
    assert stream.script.outcomes == []


def test_an_interrupted_stream_resumes_after_the_last_event():
    half = order(2, "Fechado")
    stream = Followed(
        one_pedido(ID),
        [OPENED, order(1, "EstoqueReservado") + half[:20], CUT, BUSY, Fault("x", sent=False), OPENED, half],
    )
    assert [e.versao for e in stream.run()] == [1, 2]
    assert stream.positions == [None, "1", "1", "1"]
    assert stream.script.pauses == [1.0, 2 + 2.0, 4.0], (
        "2 s, doubled each time, half of it jitter; Retry-After on top"
    )


def test_a_stream_that_the_server_ends_is_reopened_until_the_server_answers_204():
    stream = Followed(one_pedido(ID), [OPENED, order(1, "Criado"), b"", Answer(204)])
    assert [e.status for e in stream.run()] == ["Criado"]


def test_a_lost_position_is_reported():
    lost = Answer(410, {}, b'{"detail": "too old"}')
    with pytest.raises(PositionLostError, match="too old"):
        Followed(saldos(), [lost], "1.1.1").run()
    stream = Followed(saldos(), [OPENED, b"id: 1.1.1\n\n", b"", lost])
    with pytest.raises(PositionLostError):
        stream.run()
    assert stream.positions == [None, "1.1.1"]


def test_the_position_moves_with_heartbeats_too():
    stream = Followed(pedidos("ana"), [OPENED, b"id: 1.1.1\n\n:\n\n", b"id: 2.1.0\n\n", CUT, Answer(204)], "0.1.1")
    assert stream.run() == []
    assert stream.positions == ["0.1.1", "2.1.0"]
    assert stream.script.requests[0].path == "/pedidos/eventos?clienteId=ana"


def test_a_stock_stream_has_balances_and_ended_skus_and_ignores_events_of_later_releases():
    pieces = event("saldo", SALDO) + event("novidade", {"x": 1}) + event("encerrado", {"sku": "B", "x": 1}, "3.1.0")
    stream = Followed(saldos(), [OPENED, pieces, Answer(500)])
    stream.script.outcomes = [OPENED, pieces, b"", Answer(204)]
    assert stream.run() == [Saldo("A", "A", 5, 1, 0, 4), SkuEncerrado("B")]
    assert stream.place.position == "3.1.0"


@pytest.mark.parametrize(("outcome", "error"), [(Answer(404), NotFoundError), (Answer(400), Exception)])
def test_a_stream_that_cannot_be_followed_fails_at_once(outcome: Answer, error: type[Exception]):
    stream = Followed(saldos(), [outcome])
    with pytest.raises(error):
        stream.run()
    assert stream.script.pauses == []


def test_a_stream_that_cannot_be_opened_fails_at_the_deadline():
    stream = Followed(saldos(), [BUSY] * 20)
    with pytest.raises(UnavailableError):
        stream.run()
    assert stream.script.clock.now - 100 < 10


def test_a_lost_stream_fails_when_the_patience_runs_out():
    stream = Followed(saldos(), [OPENED, event("saldo", SALDO, "1.1.0"), *[CUT] * 50], patience=60)
    with pytest.raises(UnreachableError):
        stream.run()
    assert 30 < stream.script.clock.now - 100 < 60
    assert len(stream.script.events) == 1


def test_unlimited_patience_outlasts_any_number_of_faults():
    stream = Followed(saldos(), [OPENED, CUT, *[Fault("x", sent=False)] * 500, OPENED, CUT, Answer(204)])
    stream.run()
    assert max(stream.script.pauses) <= 15


@pytest.mark.parametrize(
    "opened",
    [Answer(200, {"content-type": "text/html"}), Answer(200, {}), Answer(200, {"content-type": "application/json"})],
)
def test_an_answer_that_is_not_a_stream_is_refused(opened: Answer):
    with pytest.raises(UnreadableAnswerError, match="not an event stream"):
        Followed(saldos(), [opened, b""]).run()


def test_an_unreadable_event_is_reported():
    with pytest.raises(UnreadableAnswerError):
        Followed(saldos(), [OPENED, event("saldo", {"sku": 1})]).run()


def test_a_server_that_asks_for_no_pause_gets_one():
    stream = Followed(saldos(), [OPENED, b"retry: 0\n\n", b"", Answer(204)])
    stream.run()
    assert stream.script.pauses == [0.25], "half of the shortest bound"


def test_a_stream_reconnects_within_minutes_whatever_the_server_asks_for():
    absurd = Answer(503, {"retry-after": "1000000000"})
    stream = Followed(saldos(), [OPENED, b"id: 1\n\n", CUT, absurd, Answer(204)])
    stream.run()
    assert 300 <= max(stream.script.pauses) < 320


@pytest.mark.parametrize("line", [b"data: x", b"data: x\n", b":"])
def test_an_endless_event_is_refused(line: bytes):
    pieces = [line * 50_000] * 50
    with pytest.raises(UnreadableAnswerError, match="larger than 1 MiB"):
        Followed(saldos(), [OPENED, *pieces]).run()


def test_an_event_nested_too_deeply_is_reported():
    with pytest.raises(UnreadableAnswerError):
        Followed(saldos(), [OPENED, b'event: saldo\ndata: {"x": ' + b"[" * 100_000 + b"\n\n"]).run()
