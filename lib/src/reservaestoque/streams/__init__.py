"""Server-sent events: a change log that is read once for all followers, and streams that can be resumed."""

from reservaestoque.streams import sse
from reservaestoque.streams.feed import (
    HEARTBEAT_SECONDS,
    PAGE_BYTES,
    STREAM_CONNECTIONS,
    Batch,
    Feed,
    Frame,
    Source,
    fitting,
    woken,
)
from reservaestoque.streams.log import ChangeLog, old_changes, reached
from reservaestoque.streams.position import InvalidPositionError, Position, PositionLostError
from reservaestoque.streams.response import (
    EventStream,
    LastEventId,
    Streams,
    documented,
    resuming,
)

__all__ = [
    "HEARTBEAT_SECONDS",
    "PAGE_BYTES",
    "STREAM_CONNECTIONS",
    "Batch",
    "ChangeLog",
    "EventStream",
    "Feed",
    "Frame",
    "InvalidPositionError",
    "LastEventId",
    "Position",
    "PositionLostError",
    "Source",
    "Streams",
    "documented",
    "fitting",
    "old_changes",
    "reached",
    "resuming",
    "sse",
    "woken",
]
