"""Forbids caches (RFC 9111) to store an answer, unless the answer has its own Cache-Control.

Without the header they could store it: a 200, 204, 404, 405 or 410 is cacheable by default (RFC 9110, section 15.1).
"""

from litestar.types import Message, Scope

CACHE_CONTROL = b"cache-control"
NO_STORE = (CACHE_CONTROL, b"no-store")


async def no_store_by_default(message: Message, _scope: Scope) -> None:
    """Called before each message of an answer: the only hook that all answers pass, even those without a route."""
    if message["type"] == "http.response.start" and CACHE_CONTROL not in dict(message["headers"]):
        message["headers"] = [*message["headers"], NO_STORE]
