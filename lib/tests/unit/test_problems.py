"""The `instance` of a problem."""

import pytest

from reservaestoque.http.problems import reference


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/estoque/caf%C3%A9%20com%0A", "/estoque/caf%C3%A9%20com%0A"),
        (b"/estoque/a;b=c,d:e@f!$&'()*+~", "/estoque/a;b=c,d:e@f!$&'()*+~"),
        (b"/estoque/%", "/estoque/%25"),
        (b"/estoque/%zz%4", "/estoque/%25zz%254"),
        (b'/estoque/[a]"<\xc3\xa9>', "/estoque/%5Ba%5D%22%3C%C3%A9%3E"),
    ],
)
def test_a_path_becomes_a_uri_reference(path: bytes, expected: str):
    assert reference(path) == expected
