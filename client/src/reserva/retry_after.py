"""The header Retry-After (RFC 9110, section 10.2.3): seconds, or a date. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST = 366 * 24 * 3600.0


def seconds_of(header: str | None, date: str | None = None) -> float | None:
    """Seconds to wait; None if the header is absent or invalid.

    A date is compared with the answer's `Date`, because the server's clock may differ from ours; without a `Date`,
    with our clock.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), _LONGEST)
    until = _instant(text)
    if until is None:
        return None
    since = _instant((date or "").strip()) or datetime.now(UTC)
    return min(max((until - since).total_seconds(), 0.0), _LONGEST)


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
