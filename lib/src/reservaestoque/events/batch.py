"""A message body: a JSON array of events of one type (CloudEvents JSON batch format)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union

import msgspec
from msgspec import Meta

from reservaestoque.events.cloudevent import CloudEvent

CONTENT_TYPE = "application/cloudevents-batch+json"
MAX_EVENTS = 200
MAX_BYTES = 1024 * 1024

E = TypeVar("E", bound=CloudEvent)

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""Errors raised for bytes that are not one of our events: not JSON, wrong types, out of limits, nested too deeply."""

_encode = msgspec.json.Encoder().encode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Rejected(NamedTuple):
    """A piece of a message that is not one of our events: its bytes, and the reason, as a sentence."""

    body: bytes
    reason: str


class _NoEvent(msgspec.Struct, tag_field="type", tag="no event"):
    """Nothing decodes to it. It makes a lone event type one of two, so that msgspec requires an event's `type`."""

    never: Annotated[int, Meta(ge=1, le=0)]


class Decoder(Generic[E]):
    """Reads batches of the events `kind` (a Struct or a union of them)."""

    def __init__(self, kind: type[E] | object) -> None:
        one: Any = Union[kind, _NoEvent]  # noqa: UP007 - a value, not an annotation
        self._one: msgspec.json.Decoder[E] = msgspec.json.Decoder(one)
        self._many: msgspec.json.Decoder[list[E]] = msgspec.json.Decoder(list[one])

    def decode(self, body: bytes) -> tuple[list[E], list[Rejected]]:
        """The events of a message, and the pieces that are not events. An invalid one does not affect the others."""
        try:
            events = self._many.decode(body)
        except UNREADABLE:
            return self._decode_one_by_one(body)
        return events, [] if events else [Rejected(body, "the message has no events")]

    def _decode_one_by_one(self, body: bytes) -> tuple[list[E], list[Rejected]]:
        try:
            pieces = _decode_raw(body)
        except UNREADABLE as wrong:
            return [], [Rejected(body, f"the message is not a JSON array of events: {wrong}")]
        events: list[E] = []
        rejected: list[Rejected] = []
        for piece in pieces:
            try:
                events.append(self._one.decode(piece))
            except UNREADABLE as wrong:
                rejected.append(Rejected(b"[%b]" % bytes(piece), f"not an event of this queue: {wrong}"))
        return events, rejected

    def select(self, body: bytes, ids: Collection[object]) -> list[tuple[str, bytes]]:
        """Type and bytes of the events with these ids, exactly as they are in the message `body`."""
        selected: list[tuple[str, bytes]] = []
        for piece in _decode_raw(body):
            try:
                event = self._one.decode(piece)
            except UNREADABLE:
                continue
            if event.id in ids:
                selected.append((type(event).__name__, bytes(piece)))
        return selected

    def find(self, body: bytes, event: CloudEvent) -> bytes | None:
        """The bytes of `event`, exactly as in the message `body`, as a batch of one; None when it is not there."""
        try:
            pieces = _decode_raw(body)
        except UNREADABLE:
            return None
        for piece in pieces:
            try:
                found = self._one.decode(piece)
            except UNREADABLE:
                continue
            if found == event:
                return b"[%b]" % bytes(piece)
        return None


def encode_batches(events: Sequence[CloudEvent]) -> Iterator[tuple[str, bytes]]:
    """Message bodies for these events: (type, body), at most 200 events and 1 MiB each, in order within a type."""
    return pack((type(event).__name__, _encode(event)) for event in events)


def pack(encoded: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Message bodies for these encoded events (type, bytes), as `encode_batches` builds them."""
    by_type: dict[str, list[bytes]] = {}
    for kind, piece in encoded:
        by_type.setdefault(kind, []).append(piece)
    for kind, pieces in by_type.items():
        for body in _pack(pieces):
            yield kind, body


def _pack(pieces: list[bytes]) -> Iterator[bytes]:
    batch: list[bytes] = []
    size = 2
    for piece in pieces:
        if batch and (len(batch) == MAX_EVENTS or size + len(piece) + 1 > MAX_BYTES):
            yield b"[%b]" % b",".join(batch)
            batch, size = [], 2
        batch.append(piece)
        size += len(piece) + 1
    yield b"[%b]" % b",".join(batch)
