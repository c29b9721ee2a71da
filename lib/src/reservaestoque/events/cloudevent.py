"""The envelope: CloudEvents 1.0 in structured JSON (cloudevents/spec, json-format.md)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from uuid_utils.compat import uuid7

Source = Annotated[str, Meta(min_length=1, description="The producer, a URI reference: `/reservaestoque/<program>`.")]
Subject = Annotated[UUID, Meta(description="The order's id, as in `data.pedidoId`.")]
Time = Annotated[datetime, Meta(tz=True, description="When it occurred: RFC 3339, with its offset from UTC.")]
Traceparent = Annotated[str, Meta(max_length=128, description="W3C trace context of the originating request.")]
EventId = Annotated[UUID, Meta(description="A UUIDv7; the same event sent again has the same id.")]


class CloudEvent(msgspec.Struct, kw_only=True, frozen=True, tag_field="type"):
    """The attributes that every event has besides its `data`. Unknown fields are accepted.

    `subject` is the order's id. `traceparent` is the W3C trace context of the originating request.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str | UUID
    source: Source
    subject: Subject
    time: Time
    traceparent: Traceparent | UnsetType = UNSET


def new_id() -> UUID:
    """A new UUIDv7: time-ordered, so the newest keys of an index are adjacent."""
    return uuid7()
