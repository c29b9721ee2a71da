"""Trace contexts (W3C Trace Context, section 3.2) as they travel from request to event to event."""

import os
import re

_VALID = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def continued(traceparent: str) -> str:
    """The trace context that came with a request, or a new one when none, or none that is valid, did."""
    if _VALID.fullmatch(traceparent):
        return traceparent
    new = os.urandom(24).hex()
    return f"00-{new[:32]}-{new[32:]}-01"
