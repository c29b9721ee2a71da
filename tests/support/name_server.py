"""A DNS server on loopback for one name."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

from local_system.ports import HOST

_HEADER = struct.Struct("!6H")  # RFC 1035, section 4.1.1
_ANSWER = struct.Struct("!HHHIH4s")
_A, _IN, _POINTER_TO_QUESTION = 1, 1, 0xC00C
_RESPONSE, _NO_SUCH_NAME = 0x8580, 3
_TTL_SECONDS = 1


@dataclass
class NameServer:
    """Answers on `port`; while it is silent, lookups time out."""

    port: int
    silent: bool = False


@contextmanager
def name_server(name: str) -> Iterator[NameServer]:
    """Resolves this name to 127.0.0.1, and no other."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, socket = self.request
            if not serving.silent:
                socket.sendto(_answer(query, name), self.client_address)

    with socketserver.UDPServer((HOST, 0), Handler) as server:
        serving = NameServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield serving
        finally:
            server.shutdown()
            thread.join()


def _answer(query: bytes, name: str) -> bytes:
    number, *_ = _HEADER.unpack_from(query)
    labels, at = [], _HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    (kind,) = struct.unpack_from("!H", query, at + 1)
    question = query[_HEADER.size : at + 5]
    known = ".".join(labels).lower() == name
    address = _ANSWER.pack(_POINTER_TO_QUESTION, _A, _IN, _TTL_SECONDS, 4, IPv4Address(HOST).packed)
    answers = [address] if known and kind == _A else []
    flags = _RESPONSE if known else _RESPONSE | _NO_SUCH_NAME
    return _HEADER.pack(number, flags, 1, len(answers), 0, 0) + question + b"".join(answers)
