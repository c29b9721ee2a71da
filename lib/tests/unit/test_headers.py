"""Header lines that arrive separately and belong together."""

from reservaestoque.http.headers import combined


def test_lines_with_one_name_become_a_list_in_their_order():
    lines = [(b"prefer", b"a"), (b"host", b"x"), (b"prefer", b"wait=3"), (b"prefer", b"b")]
    assert combined(lines) == {b"prefer": b"a, wait=3, b", b"host": b"x"}


def test_headers_without_repetition_stay_as_they_are():
    lines = [(b"host", b"x"), (b"prefer", b"wait=3")]
    assert list(combined(lines).items()) == lines
