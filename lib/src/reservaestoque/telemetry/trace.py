"""Trace contexts (W3C Trace Context, section 3.2) as they travel from request to event to event."""

import re
import secrets

_VALID = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def continued(traceparent: str) -> str:
    """The trace context that came with a request, or a new one when none, or none that is valid, did."""
    if _VALID.fullmatch(traceparent):
        return traceparent
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
