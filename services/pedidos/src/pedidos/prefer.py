"""The request header Prefer (RFC 7240): how long the client would wait for the outcome."""

MAX_WAIT_SECONDS = 30


def wait_seconds(header: str) -> int:
    """Seconds of the preference ``wait`` in a Prefer header, 30 at most; 0 when it is not there.

    Preferences that are unknown or make no sense are ignored, as the RFC demands (section 2); of several
    ``wait`` the first counts.
    """
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        seconds = value.strip().strip('"')
        if name.strip().lower() == "wait" and seconds.isascii() and seconds.isdigit():
            return min(int(seconds[:9]), MAX_WAIT_SECONDS)
    return 0
