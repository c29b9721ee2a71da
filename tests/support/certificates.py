"""Certificate authorities, server certificates, and TLS in front of the tests' PostgreSQL and RabbitMQ."""

import asyncio
import contextlib
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

from broker import evaluate
from program import by_way_of
from wire import Wire

from local_system import Ports, System

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


class Certificate(NamedTuple):
    """PEM files."""

    chain: Path
    key: Path


class Authority:
    """A separate certificate authority; `file` is what its clients receive."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.file = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("-x509", *_KEY, "-keyout", self._key, "-out", self.file, "-subj", f"/CN={name}", *usage)

    def sign(self, name: str, *, expired: bool = False) -> Certificate:
        """A server's certificate for one name: `DNS:db.example`, `IP:127.0.0.1`."""
        stem = f"{self._name}-{name.replace(':', '-')}{'-expired' * expired}"
        certificate = Certificate(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        signed = ("-x509", "-CA", self.file, "-CAkey", self._key, "-addext", "basicConstraints=CA:FALSE")
        names = ("-subj", "/CN=server", "-addext", f"subjectAltName={name}")
        if expired:
            self._sign_for_the_past(certificate, name)
        else:
            _openssl(*signed, *_KEY, "-keyout", certificate.key, "-out", certificate.chain, *names)
        return certificate

    def _sign_for_the_past(self, certificate: Certificate, name: str) -> None:
        """`openssl req` can only sign from the current time on."""
        request, index, settings = (self._folder / f"past.{end}" for end in ("csr", "index", "cnf"))
        _openssl("-new", *_KEY[:-2], "-keyout", certificate.key, "-out", request, "-subj", "/CN=server")
        index.write_text("")
        database = f"database={index}\nnew_certs_dir={self._folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any"
        extensions = f"subjectAltName={name}\nbasicConstraints=CA:FALSE"
        settings.write_text(f"[ca]\ndefault_ca=past\n[past]\n{database}\n[any]\n[names]\n{extensions}\n")
        period = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
        signed = ("-cert", self.file, "-keyfile", self._key, "-extensions", "names", "-notext", "-batch")
        where = ("-config", settings, "-in", request, "-out", certificate.chain)
        _openssl(*where, *signed, *period, "-preserveDN", command="ca")


def _openssl(*arguments: str | Path, command: str = "req") -> None:
    done = subprocess.run(["openssl", command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class TlsWire(Wire):
    """A wire to a PostgreSQL server, with TLS only between it and its clients.

    The tests' PostgreSQL is built without TLS; this does what a pooler or a proxy in front of it does.
    """

    _SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # postgresql.org/docs/current/protocol-message-formats.html

    def __init__(self, target_port: int, certificate: Certificate) -> None:
        super().__init__(target_port)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.present(certificate)

    def present(self, certificate: Certificate) -> None:
        """Presents this certificate to new connections; open ones are kept."""
        self._context.load_cert_chain(certificate.chain, certificate.key)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(len(self._SSL_REQUEST)) != self._SSL_REQUEST:
                writer.transport.abort()
                return
            writer.write(b"S")
            await writer.start_tls(self._context)
        except (OSError, EOFError):  # the client does not trust the certificate
            writer.transport.abort()
            return
        await super()._accept(reader, writer)


@contextlib.asynccontextmanager
async def postgres_with(system: System, database: str, certificate: Certificate) -> AsyncIterator[str]:
    """The address of a database that accepts only TLS, with this certificate."""
    async with TlsWire(getattr(system.layout.ports, f"postgres_{database}"), certificate) as wire:
        url = system.service_env(database)["DATABASE_URL"]
        yield by_way_of(wire.port, url).replace("?sslmode=disable", "")


def amqps(url: str, port: int) -> str:
    """The same user's address at this port, with TLS."""
    return by_way_of(port, url).replace("amqp://", "amqps://")


@contextlib.contextmanager
def rabbitmq_with(system: System, certificate: Certificate) -> Iterator[int]:
    """The port of a listener that presents this certificate inside the block."""
    port = Ports.free().rabbitmq
    options = f'[{{certfile, "{certificate.chain}"}}, {{keyfile, "{certificate.key}"}}]'
    address = f'{{"127.0.0.1", {port}, auto}}'
    evaluate(system, f"rabbit_networking:start_ssl_listener({address}, {options}, 2).")
    try:
        yield port
    finally:
        evaluate(system, f'rabbit_networking:stop_tcp_listener({{"127.0.0.1", {port}, auto}}).')
