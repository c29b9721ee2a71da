"""Request headers as RFC 9110, section 5.3, reads them: several lines with one name are one list."""

from collections.abc import Iterable


def combined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Each name once, its lines joined by commas in the order in which they arrived.

    Otherwise, code that looks up a header would see the first line only and miss the others.
    """
    headers = list(headers)
    lines = dict(headers)
    if len(lines) < len(headers):
        lines.clear()
        for name, value in headers:
            lines[name] = lines[name] + b", " + value if name in lines else value
    return lines
