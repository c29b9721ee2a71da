"""The metrics of this process, in the format that the scraper accepts.

OpenMetrics carries exemplars, Prometheus' older text format does not.
"""

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder


def exposed(accept: str) -> tuple[bytes, str]:
    """The page of metrics and its content type, for a request with this `Accept` header."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is not a number
        encode, content_type = choose_encoder("")
    return encode(REGISTRY), content_type
