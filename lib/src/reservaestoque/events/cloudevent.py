"""The envelope: CloudEvents 1.0 in structured JSON (cloudevents/spec, json-format.md)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from uuid_utils.compat import uuid7

Traceparent = Annotated[str, Meta(max_length=128)]


class CloudEvent(msgspec.Struct, kw_only=True, frozen=True, tag_field="type"):
    """What every event carries beside its `data`. Unknown fields are accepted.

    `subject` is the order's id. `traceparent` is the W3C trace context of the request that began it all.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str | UUID
    source: str
    subject: UUID
    time: datetime
    traceparent: Traceparent | UnsetType = UNSET


def new_id() -> UUID:
    """A new UUIDv7: time-ordered, so the newest keys of an index lie together."""
    return uuid7()
