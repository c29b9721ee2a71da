"""What is asked of estoque, and the key that a client may give it. Pure: no I/O, no clock."""

import hashlib
import re
from enum import StrEnum
from uuid import UUID

import msgspec

from reservaestoque.events import Item, Status

MAX_CHAVE = 128

_CITADA = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPE = re.compile(r'\\(["\\])')


class Tipo(StrEnum):
    """The type of the event that carries a command."""

    CRIAR = "PedidoCriado"
    FECHAR = "FecharPedido"
    CANCELAR = "CancelarPedido"
    RESERVAR = "ReservarPedido"


class Chave(msgspec.Struct, frozen=True):
    """An Idempotency-Key in its scope, and a hash of the body that it came with."""

    cliente_id: str
    caminho: str
    valor: str
    corpo: bytes

    @property
    def escopo(self) -> tuple[str, str, str]:
        """What makes it unique."""
        return self.cliente_id, self.caminho, self.valor


class NovoComando(msgspec.Struct, frozen=True):
    """A command to write; `itens` are those of a new order, which is written with it.

    With `se_versao` estoque obeys only while the order has no newer version.
    """

    id: UUID
    pedido_id: UUID
    tipo: Tipo
    traceparent: str
    cliente_id: str
    itens: list[Item] | None = None
    chave: Chave | None = None
    se_versao: int | None = None


class ChaveInvalidaError(ValueError):
    """The Idempotency-Key is none."""


class ChaveReutilizadaError(Exception):
    """The Idempotency-Key came before, with another body."""


class KeyBusyError(Exception):
    """Another request that has not ended holds the Idempotency-Key."""


def ler_chave(header: str | None) -> str | None:
    """The key in an Idempotency-Key header: a structured string (RFC 8941), or without its quotes; None when absent.

    Raises ChaveInvalidaError unless it is one key of 1 to 128 printable ASCII characters. Several lines of the header
    arrive here as a list, and a list is refused: to choose one of its keys would be to guess.
    """
    if header is None:
        return None
    if citada := _CITADA.fullmatch(header):
        chave = _ESCAPE.sub(r"\1", citada[1])
    elif "," in header:
        raise ChaveInvalidaError("a request has one Idempotency-Key; one that contains a comma is sent in quotes")
    else:
        chave = header
    if not (1 <= len(chave) <= MAX_CHAVE and chave.isascii() and chave.isprintable()):
        raise ChaveInvalidaError("an Idempotency-Key has 1 to 128 printable ASCII characters")
    return chave


def resumo(corpo: object) -> bytes:
    """A hash of a validated body: the same for bodies that ask for the same."""
    return hashlib.sha256(msgspec.json.encode(corpo, order="deterministic")).digest()


RECUSAS = {
    "PedidoEncerrado": "the order had ended",
    "PedidoJaConhecido": "the order was known already",
    "PedidoMudou": "the order had changed meanwhile",
    "ReservaVigente": "the reservation still held, so there was nothing to renew",
}
"""What estoque's refusals mean, in words; in the past, since the order may have moved on when one is told again."""


def explicar(recusa: str, status: Status) -> str:
    """A sentence about a refusal (one of `RECUSAS`, or a newer one) of an order that is `status` now."""
    return f"{RECUSAS.get(recusa, f'refused as {recusa}')}; the order is {status} now"
