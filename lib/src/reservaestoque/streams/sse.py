"""The text of server-sent events (HTML Living Standard, section 9.2). Pure: no I/O, no clock."""

RETRY_MILLISECONDS = 2000

OPENING = b"retry: %d\n\n" % RETRY_MILLISECONDS
"""Time that a client waits before it reconnects."""


def event(name: str, data: bytes, identity: object = None) -> bytes:
    """An event whose `data` is one line of JSON; without `identity` the client keeps its current id."""
    line = "" if identity is None else f"id: {identity}\n"
    return f"event: {name}\n{line}data: ".encode() + data + b"\n\n"


def position(identity: object) -> bytes:
    """Gives the client an id without an event: it resumes from there (section 9.2.6, dispatch, step 1)."""
    return f"id: {identity}\n\n".encode()


HEARTBEAT = b":\n\n"
"""A comment, which only shows that the stream is alive."""
