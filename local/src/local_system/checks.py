"""Readiness checks: each raises NotReady until the part can do its work."""

import socket
import ssl
from collections.abc import Callable

import httpx

from local_system.errors import NotReady
from local_system.ports import HOST

PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS settings for clients of plain HTTP: with separate settings, each httpx client loads all CA
certificates, which takes 13 ms of CPU."""
_TIMEOUT_SECONDS = 2.0


def http_ok(*urls: str) -> Callable[[], None]:
    """Ready when a GET of each of `urls` (plain HTTP) is answered 200."""

    def check() -> None:
        for url in urls:
            try:
                answer = httpx.get(url, timeout=_TIMEOUT_SECONDS, trust_env=False, verify=PLAIN_HTTP)
            except httpx.HTTPError as error:
                raise NotReady(f"GET {url}: {error or type(error).__name__}") from error
            if answer.status_code != httpx.codes.OK:
                raise NotReady(f"GET {url} answers {answer.status_code}: {answer.text[:200]}")

    return check


def tcp_accepts(port: int) -> Callable[[], None]:
    """Ready when something accepts connections on `port`."""

    def check() -> None:
        try:
            socket.create_connection((HOST, port), _TIMEOUT_SECONDS).close()
        except OSError as error:
            raise NotReady(f"port {port}: {error.strerror or error}") from error

    return check


def amqp_greets(port: int) -> Callable[[], None]:
    """Ready when the broker opens the AMQP 0-9-1 handshake (it listens only at the end of its start-up)."""

    def check() -> None:
        try:
            with socket.create_connection((HOST, port), _TIMEOUT_SECONDS) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                greeting = connection.recv(1)
        except OSError as error:
            raise NotReady(f"port {port}: {error.strerror or error}") from error
        if greeting != b"\x01":  # the type of a method frame, here connection.start
            raise NotReady(f"port {port} does not speak AMQP 0-9-1")

    return check
