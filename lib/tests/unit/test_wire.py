"""What a connection sends, and in how many pieces."""

import asyncio
from collections.abc import Iterator

import pytest

from reservaestoque.http.wire import PIECE_BYTES, GatheringTransport


class Transporte:
    """A transport that notes what it is given."""

    def __init__(self) -> None:
        self.enviado = list[bytes]()
        self.fechado_apos: int | None = None

    def is_closing(self) -> bool:
        return self.fechado_apos is not None

    def write(self, data: bytes) -> None:
        assert self.fechado_apos is None
        self.enviado.append(data)

    def close(self) -> None:
        self.fechado_apos = len(self.enviado)

    def get_extra_info(self, nome: str) -> str:
        return f"the {nome}"


@pytest.fixture
def transporte() -> Iterator[Transporte]:
    return Transporte()


async def test_what_is_written_in_one_turn_leaves_in_one_piece_before_the_next(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"head ")
    junto.write(b"body")
    assert transporte.enviado == []
    await asyncio.sleep(0)
    assert transporte.enviado == [b"head body"]
    junto.write(b"next")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transporte.enviado == [b"head body", b"next"]


async def test_what_is_large_does_not_wait_and_nothing_is_sent_twice(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"head")
    junto.write(b"x" * PIECE_BYTES)
    assert transporte.enviado == [b"head" + b"x" * PIECE_BYTES]
    junto.write(b"tail")
    await asyncio.sleep(0)
    assert transporte.enviado[1:] == [b"tail"]


async def test_all_is_sent_before_it_closes(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"last words")
    junto.close()
    assert (transporte.enviado, transporte.fechado_apos) == ([b"last words"], 1)
    await asyncio.sleep(0)
    assert transporte.enviado == [b"last words"]


async def test_nothing_is_sent_to_who_has_gone_meanwhile(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    junto.write(b"too late")
    transporte.close()
    await asyncio.sleep(0)
    assert transporte.enviado == []


async def test_the_rest_is_the_transports_own(transporte: Transporte):
    junto = GatheringTransport(transporte, asyncio.get_running_loop())
    assert junto.get_extra_info("peername") == "the peername"
