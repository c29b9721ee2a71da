"""The request header Prefer (RFC 7240): the seconds that the client is willing to wait for the outcome."""

import re

MAX_WAIT_SECONDS = 30

_QUOTED = r'"(?:[^"\\]|\\.)*(?:"|\\?$)'  # an unterminated one takes the rest with it
_PREFERENCE = re.compile(rf'(?:{_QUOTED}|[^,"])+')
_WAIT = re.compile(r'[ \t]*wait[ \t]*=[ \t]*("?)([0-9]+)\1[ \t]*(?:;.*)?', re.IGNORECASE)


def wait_seconds(header: str) -> int:
    """Seconds of the preference ``wait`` in a Prefer header, 30 at most; 0 without one.

    Unknown or meaningless preferences are ignored, as the RFC requires (section 2). Of several ``wait``, the first
    counts. Commas and semicolons within quotes are not separators.
    """
    for preference in _PREFERENCE.findall(header):
        if wait := _WAIT.fullmatch(preference):
            return min(int(wait[2][:9]), MAX_WAIT_SECONDS)
    return 0
