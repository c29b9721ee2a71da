"""The shared part of the sync and async clients: their use of httpx."""

import ipaddress
import logging
from urllib.parse import urlsplit

import httpx

from reserva.errors import UnreadableAnswerError
from reserva.wire import Answer, Fault, Request

DEFAULT_URL = "http://127.0.0.1:8080"
LARGEST_ANSWER = 32 << 20
REFUSAL_SECONDS = 10.0
"""Time limit for reading the content of an answer that refuses a stream."""
LOG = logging.getLogger("reserva")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def base(url: str) -> str:
    """The gateway's address without a trailing slash. Raises ValueError if it is invalid."""
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url.strip())
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx.InvalidURL):
        known = False
    if not known:
        raise ValueError(f"{url!r} is not an address: write http://HOST:PORT or https://HOST")
    if parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} must not contain a user, query or fragment")
    return url.strip().rstrip("/")


def is_local(url: str) -> bool:
    """Whether the address is on this machine; if so, proxies from the environment are not used."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def timeout(seconds: float) -> httpx.Timeout:
    """The timeout of one attempt. Connecting may take five seconds of it."""
    return httpx.Timeout(seconds, connect=min(seconds, 5.0))


def build(client: "httpx.Client | httpx.AsyncClient", url: str, request: Request, seconds: float) -> httpx.Request:
    """The request as httpx sends it."""
    headers = {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in request.headers.items()}
    return client.build_request(
        request.method,
        url + request.path,
        headers=headers,
        content=request.content or None,
        timeout=timeout(seconds),
    )


def answer(response: httpx.Response, content: bytes = b"") -> Answer:
    """The answer as a value."""
    return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, content)


def fault(error: httpx.HTTPError, url: str) -> Fault:
    """The reason why no answer arrived, as a clause."""
    sent = not isinstance(error, _NOT_SENT)
    return Fault(str(error) or type(error).__name__, sent, url)


def too_slow(url: str, seconds: float) -> Fault:
    """The fault of an answer that was not complete in time."""
    return Fault(f"no answer within {seconds:.3g} s", True, url)


def check_size(response: httpx.Response, content: bytearray) -> None:
    """Raises UnreadableAnswerError if this is larger than any answer of the API."""
    if len(content) > LARGEST_ANSWER:
        raise UnreadableAnswerError(answer(response), f"it is larger than {LARGEST_ANSWER >> 20} MiB")


def checked_token(token: object) -> str | None:
    """The token. Raises TypeError unless it is a string or None, ValueError if it is invalid in a header."""
    if token is None:
        return None
    if not isinstance(token, str):
        raise TypeError(f"the token must be a string, not {type(token).__name__}")
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token has characters that a bearer token cannot have")
    return token or None
