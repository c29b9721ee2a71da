"""The text of server-sent events (HTML Living Standard, section 9.2). Pure: no I/O, no clock."""

RETRY_MILLISECONDS = 2000

OPENING = b"retry: %d\n\n" % RETRY_MILLISECONDS
"""How long a client waits before it comes back."""


def event(name: str, data: bytes, identity: object = None) -> bytes:
    """An event whose `data` is one line of JSON; without `identity` the client keeps the id that it has."""
    line = "" if identity is None else f"id: {identity}\n"
    return f"event: {name}\n{line}data: ".encode() + data + b"\n\n"


def position(identity: object) -> bytes:
    """Tells the client an id without an event: it comes back from there (section 9.2.6, dispatch, step 1)."""
    return f"id: {identity}\n\n".encode()


HEARTBEAT = b":\n\n"
"""A comment: it says that the stream lives, and nothing else."""
