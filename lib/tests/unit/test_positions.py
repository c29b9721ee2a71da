"""Event ids: parsed strictly, ordered as the log is, formatted as they were parsed; and the text of events."""

import pytest

from reservaestoque.streams import InvalidPositionError, Position, sse
from reservaestoque.streams.position import ORIGIN


@pytest.mark.parametrize("text", ["1.1.0", "741.12.200", f"{10**18 - 1}.{10**18 - 1}.999999999"])
def test_an_id_is_formatted_as_it_was_parsed(text: str):
    assert str(Position.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1.1",
        "1.1.1.1",
        "0.1.0",
        "1.0.0",
        "-1.1.0",
        "1.1.-1",
        "01.1.0",
        " 1.1.0",
        "1.1.0\n",
        "1,1,0",
        "\u0661.1.0",  # a digit, but not an ASCII one
        f"{10**18}.1.0",
        f"1.{10**18}.0",
        "1" * 5000 + ".1.0",
        "1.1.1e3",
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str):
    with pytest.raises(InvalidPositionError, match="three numbers"):
        Position.parse(text)


def test_positions_are_ordered_by_transaction_then_row_then_part():
    assert Position(9, 9, 9) < Position(10, 1, 1) < Position(10, 2) < Position(10, 2, 1) < Position(11, 1)


def test_the_origin_has_the_id_that_makes_a_client_start_over():
    assert str(ORIGIN) == ""
    assert sse.position(ORIGIN) == b"id: \n\n"


def test_an_event_has_its_name_its_id_and_its_data_and_ends_with_an_empty_line():
    assert sse.event("status", b'{"a":1}', Position(7, 8, 9)) == b'event: status\nid: 7.8.9\ndata: {"a":1}\n\n'
    assert sse.event("saldo", b"{}") == b"event: saldo\ndata: {}\n\n"
    assert sse.event("status", b"{}", 0) == b"event: status\nid: 0\ndata: {}\n\n"


def test_an_id_without_data_and_a_comment_are_no_events():
    assert sse.position(Position(7, 8, 9)) == b"id: 7.8.9\n\n"
    assert sse.HEARTBEAT == b":\n\n"
    assert sse.OPENING == b"retry: 2000\n\n"
