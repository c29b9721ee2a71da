"""Server-sent events: a change log that is read once for all followers, and streams that can be resumed."""

from reservaestoque.streams import sse
from reservaestoque.streams.feed import (
    HEARTBEAT_SECONDS,
    PAGE_BYTES,
    STREAM_CONNECTIONS,
    EventPage,
    Feed,
    Frame,
    Source,
    fitting,
    woken,
)
from reservaestoque.streams.log import ChangeLog, old_changes, reached
from reservaestoque.streams.position import POSITION_PATTERN, InvalidPositionError, Position, PositionLostError
from reservaestoque.streams.response import (
    EventStream,
    LastEventId,
    ResumeAfter,
    Streams,
    client_of,
    documented,
    last_event_id,
    resume_after,
    resuming,
    stream_of,
)

__all__ = [
    "HEARTBEAT_SECONDS",
    "PAGE_BYTES",
    "POSITION_PATTERN",
    "STREAM_CONNECTIONS",
    "ChangeLog",
    "EventPage",
    "EventStream",
    "Feed",
    "Frame",
    "InvalidPositionError",
    "LastEventId",
    "Position",
    "PositionLostError",
    "ResumeAfter",
    "Source",
    "Streams",
    "client_of",
    "documented",
    "fitting",
    "last_event_id",
    "old_changes",
    "reached",
    "resume_after",
    "resuming",
    "sse",
    "stream_of",
    "woken",
]
