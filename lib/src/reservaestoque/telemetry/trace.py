"""Trace contexts (W3C Trace Context, section 3.2) as they travel from request to event to event."""

import random
import re
from typing import NamedTuple

_VALID = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class TraceIds(NamedTuple):
    """The ids and flags of a trace context."""

    trace: int
    span: int
    flags: int


def continued(traceparent: str) -> str:
    """The trace context of a request; a new one if the request has none, or an invalid one."""
    if _VALID.fullmatch(traceparent):
        return traceparent
    trace, span = random.getrandbits(128) or 1, random.getrandbits(64) or 1  # identifiers, not secrets
    return f"00-{trace:032x}-{span:016x}-01"


def parse(traceparent: str) -> TraceIds | None:
    """Parses a trace context; None if it is invalid."""
    match = _VALID.fullmatch(traceparent)
    return None if match is None else TraceIds(*(int(group, 16) for group in match.groups()))
