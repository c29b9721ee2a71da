"""Server-sent events: a log of changes that is read once for all, and streams that may be resumed."""

from reservaestoque.streams import sse
from reservaestoque.streams.feed import HEARTBEAT_SECONDS, Batch, Feed, Frame, Source, woken
from reservaestoque.streams.log import ChangeLog
from reservaestoque.streams.position import InvalidPositionError, Position, PositionLostError
from reservaestoque.streams.response import (
    STREAM_CONNECTIONS,
    EventStream,
    LastEventId,
    Streams,
    documented,
    resuming,
)

__all__ = [
    "HEARTBEAT_SECONDS",
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
    "resuming",
    "sse",
    "woken",
]
