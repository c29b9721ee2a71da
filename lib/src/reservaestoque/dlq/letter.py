"""The content of a dead letter, and the choice of letters. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from reservaestoque.events import UNREADABLE

UNKNOWN = "-"


class EventName(NamedTuple):
    """An event as far as it can be identified; `-` for missing fields."""

    id: str
    type: str
    order: str


@dataclass(frozen=True)
class Letter:
    """A message in a dead-letter queue.

    position: 1 is the oldest; it stays valid until letters are removed.
    events: one where a consumer set the event aside, several where RabbitMQ moved a whole batch; none where the body
    is not an array.
    """

    position: int
    body: bytes
    reason: str
    at: datetime | None
    events: tuple[EventName, ...]


@dataclass(frozen=True)
class Choice:
    """A selection of letters: those that meet every given criterion. Without criteria, every letter."""

    positions: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()
    type: str | None = None
    reason: str | None = None

    @property
    def everything(self) -> bool:
        """Whether there are no criteria."""
        return self == Choice()

    def __call__(self, letter: Letter) -> bool:
        """Whether this letter is chosen. A letter with several events is chosen when one of them matches."""
        return (
            (not self.positions or letter.position in self.positions)
            and (not self.ids or any(event.id in self.ids for event in letter.events))
            and (self.type is None or any(event.type == self.type for event in letter.events))
            and (self.reason is None or self.reason in letter.reason)
        )


def read(
    position: int, body: bytes, reason: object, headers: Mapping[str, Any], timestamp: datetime | None
) -> Letter:
    """The letter with this body, the reason that our consumer gave, these headers and this timestamp.

    If our consumer gave none, RabbitMQ moved the message and records why and when in `x-death` (its docs, dlx): after
    the delivery limit, that is, after consumers repeatedly crashed on it.
    """
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
    if reason is None and death:
        reason = f"RabbitMQ set it aside: {death.get('reason')} in {death.get('queue')}"
        died = death.get("time")
        timestamp = died if isinstance(died, datetime) else timestamp
    return Letter(position, body, str(reason or "no reason given"), timestamp, _events(body))


def _events(body: bytes) -> tuple[EventName, ...]:
    try:
        batch = msgspec.json.decode(body)
    except UNREADABLE:
        return ()
    return tuple(_name(event) for event in batch) if isinstance(batch, list) else ()


def _name(event: Any) -> EventName:
    fields = event if isinstance(event, dict) else {}
    data = fields.get("data")
    order = fields.get("subject") or (data.get("pedidoId") if isinstance(data, dict) else None)
    return EventName(*(str(one) if one else UNKNOWN for one in (fields.get("id"), fields.get("type"), order)))
