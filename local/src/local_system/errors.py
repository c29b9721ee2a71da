"""Failures here are reported to a person: one sentence that says what to do."""


class LocalSystemError(Exception):
    """A failure whose message is written for the person at the keyboard."""


class NotReady(Exception):  # noqa: N818 - a state of the part, not a failure
    """A readiness check's answer: not yet, and why."""
