"""Request bodies: accepted ones, and refused ones with the sentence given."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reservaestoque.http import JsonBody, ProblemError
from reservaestoque.http.body import may_repeat_members


class Part(msgspec.Struct):
    sku: str
    units: int


class Whole(msgspec.Struct):
    who: str
    parts: list[Part]


read = JsonBody(Whole).read
texts = st.text(st.sampled_from(':"\\\\,{}aé'), max_size=4)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ('{"who": "a", "who": "b", "parts": []}', "who"),
        ('{"who": "a", "wh\\u006f": "b", "parts": []}', "who"),
        ('{"who": "a\\u003a", "who": "b\\u003a", "parts": []}', "who"),
        ('{"who": "a", "parts": [{"sku": "A", "units": 1, "units": 1}]}', "units"),
        ('{"who": "a", "parts": [], "new": {"x": 1, "y": 2, "x": 3}}', "x"),
    ],
)
def test_a_repeated_member_is_refused_by_name(body: str, member: str):
    with pytest.raises(ProblemError, match=f"'{member}' is repeated") as refused:
        read(body.encode())
    assert refused.value.problem.status == 400


def test_apparent_repetitions_are_accepted():
    assert read(b'{"who": "a:b", "parts": [{"sku": "A", "units": 1}, {"sku": "A", "units": 1}]}').who == "a:b"
    assert read(b'{"new": {"who": "x"}, "who": "a", "parts": []}').who == "a"


@pytest.mark.parametrize("unknown", ["1" * 5000, "1" * 400 + ".5", "1e999", "null"])
def test_unknown_members_are_ignored(unknown: str):
    assert read(f'{{"who": "a", "parts": [], "new": {unknown}}}'.encode()).who == "a"


@pytest.mark.parametrize("unknown", [b'"\x01"', b'"\xff"', b"[" * 60_000 + b"]" * 60_000])
def test_a_body_that_only_pythons_parser_rejects_is_a_client_error(unknown: bytes):
    with pytest.raises(ProblemError) as refused:
        read(b'{"who": "a", "parts": [], "new": ' + unknown + b"}")
    assert refused.value.problem.status == 400


@given(texts, st.lists(st.tuples(texts, st.integers(0, 9)), max_size=3), st.booleans(), st.data())
def test_the_quick_look_never_overlooks_a_repetition(who, parts, escaped, data):
    """Whatever the strings contain, escaped or not, and whichever member is repeated."""

    def written(text: str) -> str:
        if escaped:
            return '"' + "".join(f"\\u{ord(one):04x}" for one in text) + '"'
        return msgspec.json.encode(text).decode()

    members = [f'"sku": {written(sku)}, "units": {units}' for sku, units in parts]
    repeated = data.draw(st.integers(0, len(parts)))
    objects = [f"{{{one}{', ' + one if n == repeated else ''}}}" for n, one in enumerate(members)]
    whole = f'"who": {written(who)}, ' * (1 + (repeated == len(parts))) + f'"parts": [{", ".join(objects)}]'
    body = f"{{{whole}}}".encode()
    assert may_repeat_members(body, msgspec.json.decode(body, type=Whole))
    with pytest.raises(ProblemError, match="repeated"):
        read(body)


def test_the_quick_look_suffices_for_an_ordinary_body():
    body = b'{"who": "urn:ana", "parts": [{"sku": "A", "units": 1}, {"sku": "B", "units": 2}]}'
    assert not may_repeat_members(body, msgspec.json.decode(body, type=Whole))
