"""Commands to estoque, and the key that a client may give one. Pure: no I/O, no clock."""

import hashlib
import re
from enum import StrEnum
from uuid import UUID

import msgspec

from reservaestoque.events import Item, Status

MAX_KEY = 128

KEY_PATTERN = (
    r'^("([ !#-\[\]-~]|\\["\\]){1,128}"'  # in quotes
    r'|(?!""$)[!-+\--~]([ -+\--~]{0,126}[!-+\--~])?)$'  # without quotes and commas; HTTP strips outer spaces
)
"""The values of the header that `parse_key` accepts."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPE = re.compile(r'\\(["\\])')


class CommandType(StrEnum):
    """The type of the event that carries a command."""

    CRIAR = "PedidoCriado"
    FECHAR = "FecharPedido"
    CANCELAR = "CancelarPedido"
    RESERVAR = "ReservarPedido"


class IdempotencyKey(msgspec.Struct, frozen=True):
    """An Idempotency-Key: unique per customer and path. `body_hash` is that of the first body sent with it."""

    cliente_id: str
    path: str
    value: str
    body_hash: bytes

    @property
    def scope(self) -> tuple[str, str, str]:
        """The fields that make it unique."""
        return self.cliente_id, self.path, self.value


class NewCommand(msgspec.Struct, frozen=True):
    """A command to write; `itens` are those of a new order, which is written with it and has the same id.

    With `se_versao`, estoque applies it only if the order has no newer version. `known_items` and `known_version` are
    those of an existing order, as just read: the event repeats them.
    """

    id: UUID
    pedido_id: UUID
    tipo: CommandType
    traceparent: str
    cliente_id: str
    itens: list[Item] | None = None
    key: IdempotencyKey | None = None
    se_versao: int | None = None
    known_items: list[Item] | None = None
    known_version: int = 0


def creation(
    pedido_id: UUID, traceparent: str, cliente_id: str, itens: list[Item], key: IdempotencyKey | None = None
) -> NewCommand:
    """The command that creates an order."""
    return NewCommand(pedido_id, pedido_id, CommandType.CRIAR, traceparent, cliente_id, itens, key)


class InvalidKeyError(ValueError):
    """The Idempotency-Key is malformed."""


class KeyReusedError(Exception):
    """The Idempotency-Key was used before, with another body."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used before, with another body")


class KeyBusyError(Exception):
    """Another request, still in progress, holds the Idempotency-Key."""


def parse_key(header: str | None) -> str | None:
    """The key in an Idempotency-Key header: a structured string (RFC 8941), or without its quotes; None when absent.

    Raises InvalidKeyError unless it is one key of 1 to 128 printable ASCII characters. Several lines of the header
    arrive here as a list, and a list is refused: picking one of its keys would be a guess.
    """
    if header is None:
        return None
    if quoted := _QUOTED.fullmatch(header):
        key = _ESCAPE.sub(r"\1", quoted[1])
    elif "," in header:
        raise InvalidKeyError("a request has one Idempotency-Key; one that contains a comma is sent in quotes")
    else:
        key = header
    if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidKeyError("an Idempotency-Key has 1 to 128 printable ASCII characters")
    return key


def digest(body: object) -> bytes:
    """A hash of a validated body: equal for bodies that mean the same."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()


REFUSALS = {
    "PedidoEncerrado": "the order had ended",
    "PedidoJaConhecido": "the order was known already",
    "PedidoMudou": "the order had changed meanwhile",
    "ReservaVigente": "the reservation still held, so there was nothing to renew",
}
"""The meaning of estoque's refusals, in the past tense: the order may have changed by the time one is repeated."""


def explain(recusa: str, status: Status) -> str:
    """A sentence about a refusal (a key of `REFUSALS`, or a newer one) of an order that is `status` now."""
    return f"{REFUSALS.get(recusa, f'refused as {recusa}')}; the order is {status} now"
