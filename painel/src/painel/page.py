"""The page: files of this package, read once, served with headers that block all other content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Cache-Control": "no-cache",  # cached, but revalidated on each use: a new release shows at once
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""They forbid scripts and styles that are inline or from other origins, frames, and conversion of text to markup."""


@dataclass(frozen=True)
class File:
    """A file of the page: its bytes, media type and ETag."""

    body: bytes
    media_type: str
    etag: str


def load() -> Mapping[str, File]:
    """The files by name."""
    found = {}
    for entry in files("painel").joinpath("static").iterdir():
        body = entry.read_bytes()
        kind = TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None:
            found[entry.name] = File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found
