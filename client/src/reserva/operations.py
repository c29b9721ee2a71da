"""The calls of the API as values. Pure, except that it generates Idempotency-Keys."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import msgspec

from reserva.errors import UnreadableAnswerError
from reserva.system_state import SystemState
from reserva.types import Consulta, Itens, Pedido, PedidoPage, Saldo, SaldoPage, Status, StatusDoPedido, to_items
from reserva.wire import Answer, Operation

T = TypeVar("T")

LONGEST_WAIT = 30
LONGEST_KEY = 128
LARGEST_PAGE, LARGEST_STOCK_PAGE, LARGEST_LOOKUP = 200, 500, 500
_JSON = {"Content-Type": "application/json"}
_SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROUTES = frozenset({"eventos", "consulta"})


def criar(cliente_id: str, itens: Itens, *, wait: int = 0, idempotency_key: str | None = None) -> Operation[Pedido]:
    """Creates an order."""
    return _changing("/pedidos", {"clienteId": cliente_id, "itens": to_items(itens)}, wait, idempotency_key)


def command(
    name: str, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None
) -> Operation[Pedido]:
    """Commands an order: `fechar`, `cancelar` or `reservar`."""
    return _changing(f"/pedidos/{order_id(pedido_id)}/{name}", {}, wait, idempotency_key)


def _changing(path: str, body: object, wait: int, key: str | None) -> Operation[Pedido]:
    """A POST. Without a key, one is generated; with an empty key none is sent, and the call is not safe to repeat."""
    if not 0 <= wait <= LONGEST_WAIT:
        raise ValueError(f"wait must be from 0 to {LONGEST_WAIT} seconds, not {wait}")
    key = str(uuid4()) if key is None else key
    headers = {**_JSON, "Idempotency-Key": _structured(key)} if key else _JSON
    content = msgspec.json.encode(body)
    return Operation("POST", path, _reader(Pedido), headers=headers, content=content, safe=bool(key), wait=wait)


def pedido(pedido_id: UUID | str) -> Operation[Pedido]:
    """An order."""
    return Operation("GET", f"/pedidos/{order_id(pedido_id)}", _reader(Pedido))


def status(pedido_id: UUID | str) -> Operation[StatusDoPedido]:
    """The status of an order."""
    return Operation("GET", f"/pedidos/{order_id(pedido_id)}/status", _reader(StatusDoPedido))


def pedidos(
    cliente_id: str | None = None,
    by_status: Status | str | None = None,
    *,
    cursor: UUID | None = None,
    limit: int = LARGEST_PAGE,
) -> Operation[PedidoPage]:
    """A page of orders, newest first."""
    params = {"clienteId": cliente_id, "status": by_status, "cursor": cursor, "limite": limit}
    return Operation("GET", "/pedidos", _reader(PedidoPage), params=_present(params))


def saldo(sku: str) -> Operation[Saldo]:
    """The balance of a SKU. If its name is also a route or cannot be part of a path, use `consulta`."""
    return Operation("GET", f"/estoque/{quote(sku, safe='')}", _reader(Saldo))


def has_path(sku: str) -> bool:
    """Whether `saldo` can address this SKU."""
    return is_sku(sku) and sku not in _ROUTES


def is_sku(text: str) -> bool:
    """Whether this can be a SKU."""
    return bool(_SKU.fullmatch(text))


def has_header(key: str) -> bool:
    """Whether this can be an Idempotency-Key."""
    return key.isascii() and key.isprintable() and 1 <= len(key) <= LONGEST_KEY


def saldos(cursor: str | None = None, limit: int = LARGEST_STOCK_PAGE) -> Operation[SaldoPage]:
    """A page of balances, in SKU order."""
    return Operation("GET", "/estoque", _reader(SaldoPage), params=_present({"cursor": cursor, "limite": limit}))


def consulta(skus: list[str]) -> Operation[Consulta]:
    """The balances of several SKUs. It only reads, so it may be repeated."""
    content = msgspec.json.encode({"skus": skus})
    return Operation("POST", "/estoque/consulta", _reader(Consulta), headers=_JSON, content=content)


def system() -> Operation[SystemState]:
    """The state of the system, from the panel."""
    return Operation("GET", "/painel/sistema", _reader(SystemState))


def order_id(text: UUID | str) -> UUID:
    """The order's id. Raises ValueError for any other text, which could form another path."""
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        raise ValueError(f"{text!r} is not the id of an order, which looks like {_EXAMPLE}") from None


_EXAMPLE = "019ab3f2-7c00-7000-8000-0000000000a1"


def _structured(key: str) -> str:
    """The header's value. A key that looks like a list or a quoted string is quoted (RFC 8941). Raises ValueError."""
    if not has_header(key):
        raise ValueError(f"an Idempotency-Key must have 1 to {LONGEST_KEY} printable ASCII characters: {key!r}")
    if not re.search(r'[",\\]|^ | $', key):
        return key
    return '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'


def _present(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if value not in (None, "")}


def _reader(kind: type[T]) -> Callable[[Answer], T]:
    decoder = msgspec.json.Decoder(kind)

    def read(answer: Answer) -> T:
        try:
            return decoder.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableAnswerError(answer, str(error)) from error

    return read
