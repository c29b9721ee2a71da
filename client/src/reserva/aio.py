"""The client for async code."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from math import inf
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import anyio
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
_GRACE_SECONDS = 0.5
Token = str | Callable[[], str | Awaitable[str | None] | None] | None


class AsyncReserva:
    """A shop's connection to ReservaEstoque. Every method raises ReservaError.

    url: the gateway. token: a bearer token, or a function or coroutine function that returns the current one and is
    called before each attempt. timeout: seconds for one attempt, in addition to its `wait`. http: an httpx client to
    use, for certificates or proxies; the caller closes it.
    """

    def __init__(
        self,
        url: str = transport.DEFAULT_URL,
        *,
        token: Token = None,
        retry: Retry = Retry(),  # noqa: B008 - immutable
        timeout: float = 10.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = transport.base(url)
        self._own = http is None
        self._http = http or httpx.AsyncClient(trust_env=not transport.is_local(self.url))
        self._token, self._retry, self._timeout = token, retry, timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._own:
            await self._http.aclose()

    # Orders

    async def criar(
        self, cliente_id: str, itens: Itens, *, wait: int = 0, idempotency_key: str | None = None
    ) -> Pedido:
        """Creates an order. With `wait`, returns once it is decided, or still `Criado` after that many seconds (at
        most 30).

        The same `idempotency_key` never creates a second order; by default each call gets a new key. With an empty
        key no header is sent, and the call is retried only if it certainly was not executed.
        """
        return await self.run(operations.criar(cliente_id, itens, wait=wait, idempotency_key=idempotency_key))

    async def fechar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Closes an order: its units are sold. Raises NotAllowedNowError."""
        return await self.run(operations.command("fechar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    async def cancelar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Cancels an order: its units are available again. Raises NotAllowedNowError."""
        return await self.run(operations.command("cancelar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    async def reservar(self, pedido_id: UUID | str, *, wait: int = 0, idempotency_key: str | None = None) -> Pedido:
        """Renews a lapsed reservation. Raises NotAllowedNowError, including while the reservation still holds."""
        return await self.run(operations.command("reservar", pedido_id, wait=wait, idempotency_key=idempotency_key))

    async def pedido(self, pedido_id: UUID | str) -> Pedido:
        """An order. Raises NotFoundError."""
        return await self.run(operations.pedido(pedido_id))

    async def status(self, pedido_id: UUID | str) -> Status:
        """The status of an order. Raises NotFoundError."""
        return (await self.run(operations.status(pedido_id))).status

    async def pedidos(
        self, cliente_id: str | None = None, status: Status | str | None = None
    ) -> AsyncIterator[Pedido]:
        """Orders, newest first; pages are read as needed."""
        cursor: UUID | None = None
        while True:
            page = await self.run(operations.pedidos(cliente_id, status, cursor=cursor))
            for one in page.itens:
                yield one
            if page.proximo is None or page.proximo == cursor:
                return
            cursor = page.proximo

    # Stock

    async def saldo(self, sku: str) -> Saldo:
        """The balance of a SKU. Raises NotFoundError."""
        if operations.has_path(sku):
            return await self.run(operations.saldo(sku))
        return balance_in(await self.run(operations.consulta([sku])), sku)

    async def saldos(self) -> AsyncIterator[Saldo]:
        """All balances in SKU order; pages are read as needed."""
        cursor: str | None = None
        while True:
            page = await self.run(operations.saldos(cursor))
            for one in page.itens:
                yield one
            if page.proximo is None or page.proximo == cursor:
                return
            cursor = page.proximo

    async def consulta(self, skus: list[str]) -> Consulta:
        """The balances of these SKUs, and which of them are unknown."""
        return joined([await self.run(operations.consulta(batch)) for batch in batches(skus)])

    # Streams

    def follow_pedido(
        self, pedido_id: UUID | str, *, position: str = "", patience: float = inf
    ) -> "AsyncStream[Pedido]":
        """An order, now and at each change, until it ends. Raises NotFoundError."""
        return self._follow(one_pedido(pedido_id), position, patience)

    def follow_pedidos(
        self, cliente_id: str | None = None, *, position: str = "", patience: float = inf
    ) -> "AsyncStream[MudancaDoPedido]":
        """Changes of a customer's orders or of all orders, from now on or after `position`."""
        return self._follow(pedidos(cliente_id), position, patience)

    def follow_saldos(self, *, position: str = "", patience: float = inf) -> "AsyncStream[Saldo | SkuEncerrado]":
        """Changes of balances, from now on or after `position`. After an interruption some may be repeated."""
        return self._follow(saldos(), position, patience)

    # The system

    async def system(self) -> SystemState:
        """The state of the system, from the panel. Raises NotFoundError if no panel is installed."""
        return await self.run(operations.system())

    # Internals

    def _follow(self, source: Source[T], position: str, patience: float) -> "AsyncStream[T]":
        place = Place(position)
        effects = follow(source, place, self._retry, patience, time.monotonic, random.random)
        return AsyncStream(effects, place, self._http, self.url, self._get_token)

    async def _get_token(self) -> str | None:
        token = self._token() if callable(self._token) else self._token
        return transport.checked_token(await token if isinstance(token, Awaitable) else token)

    async def run(self, operation: Operation[T]) -> T:
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
                    reply = await self._get_token()
                case Send(request, seconds):
                    reply = await self._send(request, seconds)
                case Sleep(seconds, why):
                    transport.LOG.info("%s; again in %.1f s", why, seconds)
                    await anyio.sleep(seconds)
                    reply = None

    async def _send(self, request: Request, seconds: float) -> Answer | Fault:
        try:
            with anyio.fail_after(seconds + _GRACE_SECONDS):  # httpx limits each read, not the whole exchange
                built = transport.build(self._http, self.url, request, seconds)
                response = await self._http.send(built, stream=True)
                content = await _content(response)
        except httpx.HTTPError as error:
            return transport.fault(error, self.url)
        except TimeoutError:
            return transport.too_slow(self.url, seconds)
        return transport.answer(response, content)


async def _content(response: httpx.Response) -> bytes:
    """All content of a response, which is then closed."""
    content = bytearray()
    try:
        async for piece in response.aiter_bytes():
            content += piece
            transport.check_size(response, content)
    finally:
        await response.aclose()
    return bytes(content)


class AsyncStream(Generic[T]):
    """An iterator of events that reconnects automatically.

    Close it with `aclose`, or use it in an `async with` block. If a wait for the next event is cancelled, the next
    wait reconnects and misses nothing.
    """

    def __init__(
        self,
        effects: Generator[FollowEffect[T], Any, None],
        place: Place,
        http: httpx.AsyncClient,
        url: str,
        get_token: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._effects, self._place, self._http, self._url = effects, place, http, url
        self._get_token = get_token
        self._response: httpx.Response | None = None
        self._pending: FollowEffect[T] | None = None
        self._reply: Answer | Fault | bytes | str | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    @property
    def position(self) -> str:
        """Pass it to a new stream, even in another process, to resume after the last event."""
        return self._place.position

    async def __anext__(self) -> T:
        while not isinstance(self._pending, Emit):
            await self._step()
        value: T = self._pending.value
        self._pending = self._reply = None
        return value

    async def _step(self) -> None:
        if self._pending is None:
            self._pending = self._advance()
        if not isinstance(self._pending, Emit):
            self._reply = await self._perform(self._pending)
            self._pending = None

    def _advance(self) -> FollowEffect[T]:
        try:
            return self._effects.send(self._reply)
        except StopIteration:
            raise StopAsyncIteration from None

    async def opened(self) -> Self:
        """Returns once the stream has reported its position. It emits all changes from then on."""
        while not self._place.position and not isinstance(self._pending, Emit):
            await self._step()
        return self

    async def aclose(self) -> None:
        """Closes the connection and ends the iterator."""
        self._effects.close()
        await self._disconnect()

    async def _perform(self, effect: FollowEffect[T]) -> Answer | Fault | bytes | str | None:
        match effect:
            case GetToken():
                return await self._get_token()
            case Open(request, seconds):
                return await self._open(request, seconds)
            case Read():
                return await self._read()
            case Close():
                await self._disconnect()
            case Sleep(seconds, why):
                transport.LOG.info("%s; again in %.1f s", why, seconds)
                await anyio.sleep(seconds)
        return None

    async def _open(self, request: Request, seconds: float) -> Answer | Fault:
        await self._disconnect()
        try:
            response = await self._http.send(transport.build(self._http, self._url, request, seconds), stream=True)
            if response.status_code != httpx.codes.OK:
                content = b""
                with anyio.move_on_after(transport.REFUSAL_SECONDS):
                    content = await _content(response)
                return transport.answer(response, content)
        except httpx.HTTPError as error:
            return transport.fault(error, self._url)
        self._response, self._pieces = response, response.aiter_bytes()
        return transport.answer(response)

    async def _read(self) -> bytes | Fault:
        try:
            return b"" if self._pieces is None else await anext(self._pieces, b"")
        except httpx.HTTPError as error:
            return transport.fault(error, self._url)

    async def _disconnect(self) -> None:
        if self._response is not None:
            await self._response.aclose()
            self._response = None
