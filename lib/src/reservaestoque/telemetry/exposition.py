"""The metrics of this process, as its scraper wants them.

OpenMetrics carries exemplars, Prometheus' older text format does not.
"""

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder


def exposed(accept: str) -> tuple[bytes, str]:
    """The page of metrics and its content type, for a request with this `Accept` header."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type
