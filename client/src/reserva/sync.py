"""The client for synchronous code. Threads may share an instance."""

import random
import time
from collections.abc import Callable, Generator, Iterator
from math import inf
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import httpx

from reserva import operations, transport
from reserva.exchange import exchange
from reserva.follow import FollowEffect, Place, Source, follow, one_pedido, pedidos, saldos
from reserva.lookup import balance_in, batches, joined
from reserva.retry import Retry
from reserva.system_state import SystemState
from reserva.types import Consulta, Itens, MudancaDoPedido, Pedido, Saldo, SkuEncerrado, Status
from reserva.wire import Answer, Close, Emit, Fault, GetToken, Open, Operation, Read, Request, Send, Sleep

T = TypeVar("T")
Token = str | Callable[[], str | None] | None


class Reserva:
    """A shop's connection to ReservaEstoque. Every method raises ReservaError.

    url: the gateway. token: a bearer token, or a function that returns the current one and is called before each
    attempt. timeout: seconds for one attempt, in addition to its `wait`. http: an httpx client to use, for
    certificates or proxies; the caller closes it.
    """

    def __init__(
        self,
        url: str = transport.DEFAULT_URL,
        *,
        token: Token = None,
        retry: Retry = Retry(),  # noqa: B008 - immutable
        timeout: float = 10.0,
        http: httpx.Client | None = None,
    ) -> None:
        self.url = transport.base(url)
        self._own = http is None
        self._http = http or httpx.Client(trust_env=not transport.is_local(self.url))
        self._token, self._retry, self._timeout = token, retry, timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._own:
            self._http.close()

    # Orders

    def criar(self, cliente_id: str, itens: Itens, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Creates an order. With `wait`, returns once it is decided, or still `Criado` after that many seconds (at
        most 30).

        The same `idempotency_key` never creates a second order; by default each call gets a new key. With an empty
        key no header is sent, and the call is retried only if it certainly was not executed.
        """
        return self.run(operations.criar(cliente_id, itens, wait=wait, idempotency_key=idempotency_key))

    def fechar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Closes an order: its units are sold. Raises NotAllowedNowError."""
        return self.run(operations.command("fechar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    def cancelar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Cancels an order: its units are available again. Raises NotAllowedNowError."""
        return self.run(operations.command("cancelar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    def reservar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Renews a lapsed reservation. Raises NotAllowedNowError, including while the reservation still holds."""
        return self.run(operations.command("reservar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    def pedido(self, pedido_id: UUID | str) -> Pedido:
        """An order. Raises NotFoundError."""
        return self.run(operations.pedido(pedido_id))

    def status(self, pedido_id: UUID | str) -> Status:
        """The status of an order. Raises NotFoundError."""
        return self.run(operations.status(pedido_id)).status

    def pedidos(self, cliente_id: str | None = None, status: Status | str | None = None) -> Iterator[Pedido]:
        """Orders, newest first; pages are read as needed."""
        cursor: UUID | None = None
        while True:
            page = self.run(operations.pedidos(cliente_id, status, cursor=cursor))
            yield from page.itens
            if page.proximo is None or page.proximo == cursor:
                return
            cursor = page.proximo

    # Stock

    def saldo(self, sku: str) -> Saldo:
        """The balance of a SKU. Raises NotFoundError."""
        if operations.has_path(sku):
            return self.run(operations.saldo(sku))
        return balance_in(self.run(operations.consulta([sku])), sku)

    def saldos(self) -> Iterator[Saldo]:
        """All balances in SKU order; pages are read as needed."""
        cursor: str | None = None
        while True:
            page = self.run(operations.saldos(cursor))
            yield from page.itens
            if page.proximo is None or page.proximo == cursor:
                return
            cursor = page.proximo

    def consulta(self, skus: list[str]) -> Consulta:
        """The balances of these SKUs, and which of them are unknown."""
        return joined([self.run(operations.consulta(batch)) for batch in batches(skus)])

    # Streams

    def follow_pedido(self, pedido_id: UUID | str, *, position: str = "", patience: float = inf) -> "Stream[Pedido]":
        """An order, now and at each change, until it ends. Raises NotFoundError."""
        return self._follow(one_pedido(pedido_id), position, patience)

    def follow_pedidos(
        self, cliente_id: str | None = None, *, position: str = "", patience: float = inf
    ) -> "Stream[MudancaDoPedido]":
        """Changes of a customer's orders or of all orders, from now on or after `position`."""
        return self._follow(pedidos(cliente_id), position, patience)

    def follow_saldos(self, *, position: str = "", patience: float = inf) -> "Stream[Saldo | SkuEncerrado]":
        """Changes of balances, from now on or after `position`. After an interruption some may be repeated."""
        return self._follow(saldos(), position, patience)

    # The system

    def system(self) -> SystemState:
        """The state of the system, from the panel. Raises NotFoundError if no panel is installed."""
        return self.run(operations.system())

    # Internals

    def _follow(self, source: Source[T], position: str, patience: float) -> "Stream[T]":
        place = Place(position)
        effects = follow(source, place, self._retry, patience, time.monotonic, random.random)
        return Stream(effects, place, self._http, self.url, self._get_token)

    def _get_token(self) -> str | None:
        return transport.checked_token(self._token() if callable(self._token) else self._token)

    def run(self, operation: Operation[T]) -> T:
        """Performs an operation, one of `reserva.operations`."""
        steps = exchange(operation, self._retry, self._timeout, time.monotonic, random.random)
        reply: Answer | Fault | str | None = None
        while True:
            try:
                effect = steps.send(reply)
            except StopIteration as done:
                value: T = done.value
                return value
            match effect:
                case GetToken():
                    reply = self._get_token()
                case Send(request, seconds):
                    reply = self._send(request, seconds)
                case Sleep(seconds, why):
                    transport.LOG.info("%s; again in %.1f s", why, seconds)
                    time.sleep(seconds)
                    reply = None

    def _send(self, request: Request, seconds: float) -> Answer | Fault:
        end = time.monotonic() + seconds
        try:
            response = self._http.send(transport.build(self._http, self.url, request, seconds), stream=True)
            content = _content(response, end)
        except httpx.HTTPError as error:
            return transport.fault(error, self.url)
        return transport.too_slow(self.url, seconds) if content is None else transport.answer(response, content)


def _content(response: httpx.Response, end: float) -> bytes | None:
    """All content of a response, which is then closed; None if it is incomplete at `end`."""
    content = bytearray()
    try:
        for piece in response.iter_bytes():
            content += piece
            transport.check_size(response, content)
            if time.monotonic() > end:
                return None
    finally:
        response.close()
    return bytes(content)


class Stream(Generic[T]):
    """An iterator of events that reconnects automatically.

    Close it with `close`, or use it in a `with` block; otherwise its connection stays open until garbage collection.
    """

    def __init__(
        self,
        effects: Generator[FollowEffect[T], Any, None],
        place: Place,
        http: httpx.Client,
        url: str,
        get_token: Callable[[], str | None],
    ) -> None:
        self._effects, self._place, self._http, self._url = effects, place, http, url
        self._get_token = get_token
        self._response: httpx.Response | None = None
        self._pending: FollowEffect[T] | None = None
        self._reply: Answer | Fault | bytes | str | None = None
        self._pieces: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    @property
    def position(self) -> str:
        """Pass it to a new stream, even in another process, to resume after the last event."""
        return self._place.position

    def __next__(self) -> T:
        while not isinstance(self._pending, Emit):
            self._step()
        value: T = self._pending.value
        self._pending = self._reply = None
        return value

    def _step(self) -> None:
        if self._pending is None:
            self._pending = self._effects.send(self._reply)
        if not isinstance(self._pending, Emit):
            self._reply = self._perform(self._pending)
            self._pending = None

    def opened(self) -> Self:
        """Returns once the stream has reported its position. It emits all changes from then on."""
        while not self._place.position and not isinstance(self._pending, Emit):
            self._step()
        return self

    def close(self) -> None:
        """Closes the connection and ends the iterator."""
        self._effects.close()
        self._disconnect()

    def _perform(self, effect: FollowEffect[T]) -> Answer | Fault | bytes | str | None:
        match effect:
            case GetToken():
                return self._get_token()
            case Open(request, seconds):
                return self._open(request, seconds)
            case Read():
                return self._read()
            case Close():
                self._disconnect()
            case Sleep(seconds, why):
                transport.LOG.info("%s; again in %.1f s", why, seconds)
                time.sleep(seconds)
        return None

    def _open(self, request: Request, seconds: float) -> Answer | Fault:
        self._disconnect()
        try:
            response = self._http.send(transport.build(self._http, self._url, request, seconds), stream=True)
            if response.status_code != httpx.codes.OK:
                content = _content(response, time.monotonic() + transport.REFUSAL_SECONDS)
                return transport.answer(response, content or b"")
        except httpx.HTTPError as error:
            return transport.fault(error, self._url)
        self._response, self._pieces = response, response.iter_bytes()
        return transport.answer(response)

    def _read(self) -> bytes | Fault:
        try:
            return next(self._pieces, b"")
        except httpx.HTTPError as error:
            return transport.fault(error, self._url)

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
