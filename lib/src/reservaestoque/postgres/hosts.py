"""Chooses which of several servers to connect to. `hosts` is pure; `Connector` connects."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from reservaestoque.postgres.connection import BoundedConnection
from reservaestoque.postgres.faults import is_transient

CONNECT_SECONDS = 3.0
"""Time limit for one server to accept a connection, including TLS and authentication."""


def hosts(database_url: str) -> list[str]:
    """The URL once for each of its hosts, in order: ``postgres://u:p@a:1,b:2/d`` names two servers."""
    parts = urlsplit(database_url)
    user, at, servers = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{server}")) for server in servers.split(",")]


class Connector:
    """Connects to the first suitable server of a URL, starting with the last one chosen.

    Each server has its own CONNECT_SECONDS, so that one that drops packets does not use up the others' time; asyncpg
    itself has one time limit for all. A standby is suitable only if the URL allows it by ``target_session_attrs``
    (libpq, section 32.1.2), or if `standby` is true.
    """

    def __init__(self, database_url: str, *, standby: bool = False) -> None:
        self._urls = hosts(database_url)
        self.standby = standby
        self.faults: dict[str, Exception] = {}
        """The reasons for which servers were rejected on the last attempt, by URL."""
        stated = standby or "target_session_attrs=" in database_url
        self._attributes = {} if stated else {"target_session_attrs": "primary"}

    @property
    def chosen(self) -> str:
        """The URL of the server chosen last."""
        return self._urls[0]

    async def connect(self, *_: Any, **options: Any) -> "asyncpg.Connection[Any]":
        """A new connection; `options` are those of asyncpg.connect. Raises what it raises for the last server."""
        options = {"connection_class": BoundedConnection, **options, "timeout": CONNECT_SECONDS, **self._attributes}
        self.faults = {}
        for position, url in enumerate(self._urls):
            try:
                connection: asyncpg.Connection[Any] = await asyncpg.connect(url, **options)
            except Exception as fault:
                self.faults[url] = fault
                if not is_transient(fault) or position == len(self._urls) - 1:
                    raise
            else:
                self._urls = [url, *(other for other in self._urls if other != url)]
                return connection
        raise AssertionError("a URL has at least one host")
