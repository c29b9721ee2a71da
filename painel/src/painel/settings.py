"""Settings from the environment."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from reservaestoque.settings import ApiSettings, Duration, ProgramSettings


def _split(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


Url = Annotated[str, Field(pattern=r"^http://[^/\s]+$")]
Urls = Annotated[tuple[Url, ...], NoDecode, BeforeValidator(_split)]
"""``http://host:port``, separated by commas; every address of a host name is a replica."""


class PainelSettings(ApiSettings, ProgramSettings):
    """The URLs of the replicas of each part; a part without URLs is not watched.

    While a client watches, all replicas are scraped every `interval`, each for at most `scrape_timeout`; at most
    `max_streams` may watch at once, and `max_streams_per_client` of one client. With `identity` `gateway`, the state
    of the system needs the scope ``pedidos:admin`` in the header that the gateway sets.
    """

    pedidos_urls: Urls = ()
    estoque_urls: Urls = ()
    operator_urls: Urls = ()
    conferir_urls: Urls = ()
    gateway_urls: Urls = ()
    rabbitmq_urls: Urls = ()
    identity: Literal["none", "gateway"] = "none"
    interval: Duration = timedelta(seconds=2)
    scrape_timeout: Duration = timedelta(seconds=1)
    max_streams: int = Field(default=200, ge=1)
    max_streams_per_client: int = Field(default=20, ge=1)
