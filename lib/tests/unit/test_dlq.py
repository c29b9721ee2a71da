"""What a dead letter contains, whichever program set it aside, and how a person selects letters."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reservaestoque.bus import QUEUES
from reservaestoque.dlq import screen
from reservaestoque.dlq.letter import Choice, Letter, read

WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENT = {"id": "e1", "type": "PedidoCriado", "subject": "p1", "data": {}}


def letter(*events: object, reason: str = "not wanted", position: int = 1) -> Letter:
    return read(position, json.dumps(events).encode(), reason, {}, WHEN)


def test_letter_names_its_event_its_reason_and_its_time():
    found = letter(EVENT)
    assert found.events == (("e1", "PedidoCriado", "p1"),)
    assert (found.reason, found.at) == ("not wanted", WHEN)
    assert screen.line(found).split() == ["1", "2026-11-24", "12:00:00Z", "PedidoCriado", "e1", "p1"]


def test_letter_that_rabbitmq_moved_has_time_and_reason():
    death = {"count": 1, "reason": "delivery_limit", "queue": "estoque.pedidos", "time": WHEN, "exchange": ""}
    found = read(1, b"[]", None, {"x-death": [death], "x-delivery-count": 21}, None)
    assert found.at == WHEN
    assert found.reason == "RabbitMQ set it aside: delivery_limit in estoque.pedidos"


@pytest.mark.parametrize("headers", [{}, {"x-death": []}, {"x-death": ["?"]}, {"x-death": "?"}])
def test_letter_without_a_reason_is_still_a_letter(headers: dict[str, Any]):
    assert read(1, b"[]", None, headers, None).reason == "no reason given"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"\x00\xff", ()),
        (b"[" * 5000, ()),
        (b'{"id": "x"}', ()),
        (b"[]", ()),
        (b"[42]", (("-", "-", "-"),)),
        (b'[{"type": "Never"}]', (("-", "Never", "-"),)),
        (b'[{"id": "x", "data": {"pedidoId": "p"}}]', (("x", "-", "p"),)),
        (b'[{"id": 7, "data": []}]', (("7", "-", "-"),)),
    ],
)
def test_garbage_is_described_as_far_as_it_can_be_read(body: bytes, names: tuple[object, ...]):
    found = read(1, body, None, {}, None)
    assert found.events == names
    assert screen.table([found]).count("\n") == 1
    [shown] = json.loads(screen.details([found]))
    assert ("text" in shown) == (not body.endswith((b"]", b"}")))


def test_batch_that_was_moved_whole_is_one_letter():
    found = letter(EVENT, {**EVENT, "id": "e2", "type": "CancelarPedido"})
    assert "e1 and 1 more" in screen.line(found)
    assert Choice(ids=frozenset({"e2"}))(found)
    assert Choice(type="CancelarPedido")(found)


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (Choice(), True),
        (Choice(ids=frozenset({"e1", "e9"})), True),
        (Choice(ids=frozenset({"e9"})), False),
        (Choice(type="PedidoCriado", reason="wanted"), True),
        (Choice(type="PedidoCriado", reason="other"), False),
        (Choice(type="FecharPedido"), False),
        (Choice(positions=frozenset({1, 3})), True),
        (Choice(positions=frozenset({2})), False),
    ],
)
def test_a_letter_must_meet_all_criteria(choice: Choice, meant: bool):
    assert choice(letter(EVENT)) is meant
    assert choice.everything == (choice == Choice())


def test_details_keep_the_body_unchanged():
    big = {**EVENT, "futuro": 12345678901234567890123456789, "nome": "ção"}
    [shown] = json.loads(screen.details([letter(big)]))
    assert shown["body"] == [big]
    assert shown["setAside"] == "2026-11-24T12:00:00Z"
    assert shown["bytes"] == len(json.dumps([big]))


def test_letters_cannot_inject_terminal_control_sequences():
    found = letter({**EVENT, "id": "\x1b[2Jx", "type": "a\nb"}, reason="\x1b]0;title\x07 line\none")
    text = screen.table([found])
    assert text.count("\n") == 1
    assert all(one.isprintable() for line in text.splitlines() for one in line)


def test_dead_letters_can_be_viewed_any_number_of_times():
    for queue in QUEUES:
        assert queue.dead_letter_arguments["x-delivery-limit"] > 1_000_000
