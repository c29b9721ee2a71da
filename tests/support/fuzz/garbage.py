"""Messages that are not events, or not quite: generated from a seed, each with its expected outcome."""

import gzip
import json
import random
import string
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from aio_pika import DeliveryMode, Message
from pamqp.commands import Basic

KIB = 1024


class RawProperties(Basic.Properties):
    """Properties in wire format (AMQP 0-9-1, section 4.2.6.1): a flag and its value, or several."""

    raw = b""

    def marshal(self) -> bytes:
        return self.raw


class WithRawProperties(Message):
    """A message with such properties."""

    def __init__(self, body: bytes, raw: bytes) -> None:
        super().__init__(body)
        self._raw = raw

    @property
    def properties(self) -> Basic.Properties:
        properties = RawProperties()
        properties.raw = self._raw
        return properties


def _table(*fields: bytes) -> bytes:
    """A field table in the header frame, as its only property."""
    return struct.pack(">H", Basic.Properties.flags["headers"]) + _long(b"".join(fields))


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _nested(depth: int) -> bytes:
    field = b"\x01at\x01"
    for _ in range(depth):
        field = b"\x01aF" + _long(field)
    return field


_TIMESTAMP = struct.pack(">H", Basic.Properties.flags["timestamp"])
UNREADABLE = [
    *(_TIMESTAMP + struct.pack(">Q", seconds) for seconds in (2**48, 2**63, 2**64 - 1)),
    _table(b"\x01aT" + struct.pack(">Q", 2**63)),
    _table(b"\x02\xff\xfet\x01"),
    _table(b"\x01aS" + _long(b"\xff\xfe")),
    _table(_nested(1_000)),
]
"""Times, header names and values, and nesting that are out of bounds."""


class Piece(NamedTuple):
    """The text of one event in a message."""

    text: bytes
    good: bool


@dataclass(frozen=True)
class Garbage:
    """A message, and the bodies that must be in the dead letters for it."""

    kind: str
    message: Message
    dead: tuple[bytes, ...] = field(default=())


class Maker:
    """Makes garbage for a queue: commands for estoque, snapshots for pedidos."""

    def __init__(self, queue: str, seed: int, good: Callable[[], bytes]) -> None:
        self._rng = random.Random(f"{queue} {seed}")
        self._commands = queue == "estoque.pedidos"
        self._good = good
        self._kinds: list[Callable[[], Garbage]] = [
            self.noise,
            self.text,
            self.truncated,
            self.scalar,
            self.no_events,
            self.nested,
            self.huge_number,
            self.compressed,
            self.wrong_values,
            self.wrong_values,
            self.wrong_values,
            self.among_good_ones,
            self.strange_properties,
            self.unreadable_properties,
        ]

    def messages(self, count: int) -> Iterator[Garbage]:
        """`count` of them, of all kinds; one in 500 is large."""
        for number in range(count):
            yield self.large() if number % 500 == 250 else self._kinds[number % len(self._kinds)]()

    # Bodies that are not a JSON array of events: the message is dead-lettered unchanged

    def noise(self) -> Garbage:
        """Any bytes, including NULs and invalid UTF-8."""
        return self._whole("noise", self._unique() + self._rng.randbytes(self._rng.choice([0, 1, 30, 3000])))

    def text(self) -> Garbage:
        """Text in another encoding."""
        text = "".join(self._rng.choices(string.printable + "éß漢\u0000\u2028\ud83d\ude00", k=50))
        encoding = self._rng.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp037"])
        return self._whole(f"text in {encoding}", text.encode(encoding, "replace") + self._unique())

    def truncated(self) -> Garbage:
        """A valid message with its end missing or doubled."""
        body = b"[%b]" % self._event(id=str(uuid4()))
        return self._whole("truncated", body[: self._rng.randrange(1, len(body))] if self._chance() else body + b"]")

    def scalar(self) -> Garbage:
        """JSON, but not an array."""
        value = self._rng.choice([None, True, 1, -1.5, "x", {}, {"type": "PedidoCriado"}])
        return self._whole("no array", b"%b%b" % (json.dumps(value).encode(), b" " * self._rng.randrange(2000)))

    def no_events(self) -> Garbage:
        """An empty array."""
        return self._whole("no events", b"[%b]" % (b" " * self._rng.randrange(2000)))

    def nested(self) -> Garbage:
        """Arrays or objects nested far deeper than any parser accepts."""
        depth = self._rng.choice([600, 5000, 100_000])
        start, end = self._rng.choice([(b"[", b"]"), (b'{"data":', b"}")])
        inner = b"%d" % self._rng.randrange(10**9)
        return self._whole("nested", b"[" + start * depth + inner + end * depth + b"]")

    def large(self) -> Garbage:
        """A mebibyte or four."""
        return self._whole("large", self._unique() + b"x" * self._rng.choice([1, 4]) * KIB * KIB)

    def compressed(self) -> Garbage:
        """A valid message in an unexpected content coding."""
        body = gzip.compress(b"[%b]" % self._event(id=str(uuid4())))
        return self._whole("compressed", body, content_encoding="gzip")

    # Arrays: each element that is not an event is dead-lettered alone

    def huge_number(self) -> Garbage:
        """Numbers that fit no type."""
        number = self._rng.choice(["1e999", "-1e999", "9" * 5000, "0." + "1" * 5000, str(2**63), str(-(2**63) - 1)])
        name = "versaoConhecida" if self._commands else "versao"
        event = self._event(id=str(uuid4())).replace(
            b'"data": {', b'"data": {"%b": %b, ' % (name.encode(), number.encode())
        )
        return self._pieces("huge number", Piece(event, False))

    def wrong_values(self) -> Garbage:
        """The right shape with one invalid or missing value."""
        event = json.loads(self._event(id=str(uuid4())))
        path, values = self._rng.choice(_WRONG_IN_COMMANDS if self._commands else _WRONG_IN_SNAPSHOTS)
        *above, last = path
        place = event
        for step in above:
            place = place[step]
        value = self._rng.choice(values)
        if value is _ABSENT:
            del place[last]
        else:
            place[last] = value
        event["mark"] = str(uuid4())  # unknown fields are accepted, so the value is made invalid
        return self._pieces(f"wrong {last}", Piece(json.dumps(event).encode(), False))

    def among_good_ones(self) -> Garbage:
        """Valid events mixed with invalid ones: only the invalid ones are dead-lettered."""
        bad = [Piece(self._rng.choice([b"null", b"[]", b"{}", b'"x"', b"0"]), False) for _ in range(2)]
        bad.append(Piece(b'{"type": "Never", "mark": "%b"}' % uuid4().hex.encode(), False))
        pieces = [*bad, Piece(self._good(), True)]
        self._rng.shuffle(pieces)
        return self._pieces("among good ones", *pieces)

    # Anything around a body

    def strange_properties(self) -> Garbage:
        """Properties and headers of all types and sizes."""
        headers: dict[str, Any] = {
            "x-reason": "forged",
            "x-death": [{"count": 2**40, "reason": "forged"}],
            "nested": {"a": {"b": [1, {"c": None}]}},
            "bytes": bytearray(self._rng.randbytes(20)),
            "long": "x" * self._rng.choice([1, 1000, 60_000]),
            "é": True,
            "time": datetime(9999, 12, 31, tzinfo=UTC),
        }
        chosen = dict(self._rng.sample(sorted(headers.items(), key=lambda one: one[0]), k=3))
        body = self._unique() + b"{}"
        message = Message(
            body,
            headers=chosen,
            content_type=self._rng.choice(["", "text/plain", "application/cloudevents-batch+json", "x" * 200]),
            content_encoding=self._rng.choice(["", "br", "utf-16", "x" * 200]),
            priority=self._rng.randrange(256),
            correlation_id=self._rng.choice([None, "x" * 200]),
            reply_to=self._rng.choice([None, "nowhere"]),
            message_id="x" * self._rng.randrange(200),
            type=self._rng.choice(["", "Never", "AtualizarStatus"]),
            app_id="fuzz",
            timestamp=self._rng.choice([None, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)]),
            delivery_mode=self._rng.choice(list(DeliveryMode)),
        )
        return Garbage("strange properties", message, (body,))

    def unreadable_properties(self) -> Garbage:
        """Properties that a broker accepts but a client library cannot parse."""
        body = self._unique() + b"{}"
        return Garbage("unreadable properties", WithRawProperties(body, self._rng.choice(UNREADABLE)), (body,))

    # Parts

    def _whole(self, kind: str, body: bytes, **properties: Any) -> Garbage:
        return Garbage(kind, Message(body, delivery_mode=DeliveryMode.PERSISTENT, **properties), (body,))

    def _pieces(self, kind: str, *pieces: Piece) -> Garbage:
        space = b" " * self._rng.randrange(3)
        body = b"[" + (space + b"," + space).join(piece.text for piece in pieces) + b"]"
        dead = tuple(b"[%b]" % piece.text for piece in pieces if not piece.good)
        return Garbage(kind, Message(body, delivery_mode=DeliveryMode.PERSISTENT), dead)

    def _unique(self) -> bytes:
        return b"\x00\xff%b" % self._rng.randbytes(8)

    def _chance(self) -> bool:
        return self._rng.random() < 0.5

    def _event(self, **changes: Any) -> bytes:
        """A plausible event."""
        order = str(UUID(int=self._rng.getrandbits(128), version=4))
        event: dict[str, Any] = {
            "type": "PedidoCriado" if self._commands else "AtualizarStatus",
            "specversion": "1.0",
            "id": order,
            "source": "/fuzz",
            "subject": order,
            "time": datetime.now(UTC).isoformat(),
            "data": {"pedidoId": order, "clienteId": "ana", "itens": [{"sku": "SKU-1", "quantidade": 1}]}
            if self._commands
            else {"pedidoId": order, "status": "Fechado", "versao": 1},
        }
        return json.dumps(event | changes).encode()


_ABSENT = object()
_NO_UUID = [_ABSENT, None, 1, "", "x", "019ab3f2-7c00-7000-8000-00000000000", "\u0000", {}]
_NO_TEXT = [_ABSENT, None, 1, [], {}]
_NO_INSTANT = [_ABSENT, None, "", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", {}]
_WRONG: list[tuple[tuple[Any, ...], list[Any]]] = [
    (("type",), [_ABSENT, None, 1, "", "Never", "pedidoCriado", "PedidoCriado\u0000"]),
    (("specversion",), [None, "0.3", "2.0", 1]),
    (("source",), [*_NO_TEXT, ""]),
    (("subject",), _NO_UUID),
    (("time",), _NO_INSTANT),
    (("traceparent",), [None, 1, "x" * 129]),
    (("data",), [_ABSENT, None, [], "x", {}]),
    (("data", "pedidoId"), _NO_UUID),
]
_WRONG_IN_COMMANDS: list[tuple[tuple[Any, ...], list[Any]]] = [
    *_WRONG,
    (("id",), _NO_UUID),
    (("data", "versaoConhecida"), [-1, 2**31, 1.5, "1", None]),
    (("data", "clienteId"), _NO_TEXT),
    (("data", "itens"), [_ABSENT, None, [], {}, "x", [{"sku": "SKU-1", "quantidade": 1}] * 101]),
    (("data", "itens", 0), [None, {}, [], "SKU-1"]),
    (
        ("data", "itens", 0, "sku"),
        [*_NO_TEXT, "", "x" * 65, "é", "a b", "a\n", "\u0000", "-a", "; drop table pedido"],
    ),
    (("data", "itens", 0, "quantidade"), [_ABSENT, None, 0, -1, 1.5, 10**6 + 1, 2**63, "1", True]),
]
_WRONG_IN_SNAPSHOTS: list[tuple[tuple[Any, ...], list[Any]]] = [
    *_WRONG,
    (("id",), [*_NO_TEXT, ""]),
    (("data", "status"), [_ABSENT, None, "", "fechado", "Vendido", 1]),
    (("data", "versao"), [_ABSENT, None, 0, -1, 1.5, 2**31, 2**63, "1", True]),
    (("data", "causa"), ["x", 1, "", {}]),
    (("data", "recusa"), [1, [], {}]),
    (("data", "expiraEm"), ["", "x", 1.5, "2026-01-01T00:00:00", {}]),
    (("data", "itensEmFalta"), [None, {}, "x", [None], [{}], [{"sku": 1}]]),
]
