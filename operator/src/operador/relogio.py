"""The instant as the API writes it."""

from datetime import UTC, datetime


def agora_rfc3339() -> str:
    """Now, to the second, as Kubernetes writes times: ``2026-11-24T03:30:10Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
