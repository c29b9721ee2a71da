"""Addresses of servers that must prove their identity with a certificate of a given authority (CA).

The file's path becomes part of the address, so every client that connects by it checks the server. Clients reread the
file for each connection: a renewed authority needs no restart.
"""

import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AfterValidator


def _certificates(file: Path) -> Path:
    """Raises ValueError unless `file` holds certificates in PEM."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError as fault:
        raise ValueError(f"{file} holds no certificate authority in PEM: {fault.strerror or fault}") from None
    return file


CaFile = Annotated[Path, AfterValidator(_certificates)]


def ca_file(path: str) -> Path:
    """The path of a file with certificate authorities. Raises ValueError when it is not one."""
    return _certificates(Path(path))


def trusting_postgres(url: str, ca: Path | None) -> str:
    """The URL with `sslmode=verify-full` and this authority, replacing its sslmode (libpq, section 32.19).

    Unchanged without an authority.
    """
    if ca is None:
        return url
    return _with(url, {"sslmode": "verify-full", "sslrootcert": str(ca)}, without={"sslmode", "sslrootcert"})


def trusting_amqp(url: str, ca: Path | None) -> str:
    """The URL with this authority in place of the machine's own ones, and with verification on.

    Unchanged without an authority. Raises ValueError when the URL does not require TLS.
    """
    if ca is None:
        return url
    if not url.startswith("amqps://"):
        raise ValueError(
            "must be amqps://… where AMQP_CA_FILE is set: without TLS the broker's identity is not checked"
        )
    return _with(url, {"cafile": str(ca)}, without={"cafile", "capath", "cadata", "no_verify_ssl"})


def _with(url: str, parameters: dict[str, str], *, without: Collection[str]) -> str:
    address, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in without]
    return f"{address}?{'&'.join([*kept, urlencode(parameters)])}"
