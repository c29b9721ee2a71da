"""Server-sent events, however the bytes are split."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reserva.sse import Parser, ServerSentEvent

STREAM = (
    "\ufeffretry: 2000\n\n"
    "id: 7.1.0\n\n"
    ": heartbeat\n\n"
    'event: status\nid: 7.1.1\ndata: {"a": "ção"}\n\n'
    "data: one\ndata: two\nunknown: x\n\n"
    "event: lost\ndata: unfinished"
).encode()
EVENTS = [
    ServerSentEvent("message", "", "", 2000),
    ServerSentEvent("message", "", "7.1.0"),
    ServerSentEvent("status", '{"a": "ção"}', "7.1.1"),
    ServerSentEvent("message", "one\ntwo", "7.1.1"),
]


def read(pieces: list[bytes], id: str = "") -> list[ServerSentEvent]:  # noqa: A002
    parser = Parser(id)
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@settings(deadline=None)
@given(st.data())
def test_events_are_the_same_however_split_and_with_any_line_ending(end: bytes, data: st.DataObject):
    text = STREAM.replace(b"\n", end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    # A lone CR at the end of a piece may be half of a CRLF, so the last event is only complete with what follows.
    assert read(pieces) == EVENTS
    assert b"".join(pieces) == text


def test_a_stream_can_be_read_byte_by_byte():
    assert read([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_the_position_of_a_connection_stays_until_the_stream_moves_it():
    assert read([b"data: x\n\n"], "42") == [ServerSentEvent("message", "x", "42")]
    assert read([b"id\n\ndata: x\n\n"], "42")[-1].id == "", "an empty id resets the position"
    assert read([b"id: a\0b\ndata: x\n\n"], "42")[-1].id == "42"


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_garbage_is_read_without_an_error(one: bytes, other: bytes):
    assert read([one + other]) == read([one, other])


@pytest.mark.parametrize("line", ["retry: soon", "retry: -1", "retry:", "data", ":"])
def test_invalid_and_empty_lines_are_ignored(line: str):
    assert all(event.retry is None for event in read([f"{line}\n\n".encode()]))
