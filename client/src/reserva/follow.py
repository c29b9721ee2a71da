"""One stream, which reconnects after interruptions and resumes. Pure: it yields the effects to perform."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from reserva import operations
from reserva.errors import UnreadableAnswerError
from reserva.exchange import OK, error_from, headers_for, retry_after_of, signed
from reserva.retry import Retry, may_repeat
from reserva.sse import Parser, ServerSentEvent
from reserva.types import MudancaDoPedido, Pedido, Saldo, SkuEncerrado
from reserva.wire import Answer, Close, Emit, Fault, GetToken, Open, Operation, Read, Send, Sleep

T = TypeVar("T")
FollowEffect = GetToken | Send | Open | Read | Close | Sleep | Emit[T]

NO_CONTENT = 204
SILENCE_SECONDS = 60.0
"""After four missed heartbeats the connection is considered dead."""
_MEDIA_TYPE = "text/event-stream"
_RETRY_SECONDS = 2.0
_SHORTEST_RETRY = 0.5
_LONGEST_PAUSE = 15.0
_LONGEST_RETRY_AFTER = 300.0
"""Maximum Retry-After that a stream honours, in seconds, because its caller may have no deadline."""
_ANY_NUMBER = 2**31


@dataclass(frozen=True)
class Source(Generic[T]):
    """A stream of the API.

    kinds: the type of the data of each event; other events are ignored. ended: whether no event follows this one.
    """

    path: str
    kinds: Mapping[str, type[Any]]
    ended: Callable[[T], bool]
    params: Mapping[str, str] = field(default_factory=dict)

    def read(self, event: ServerSentEvent) -> T | None:
        """The event's value; None if it has none. Raises UnreadableAnswerError."""
        kind = self.kinds.get(event.name)
        if kind is None or not event.data:
            return None
        try:
            value: T = msgspec.json.decode(event.data, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UnreadableAnswerError(Answer(OK, {}, event.data.encode()), str(error)) from error
        return value

    def request(self, token: str | None, position: str) -> Open:
        """The request that opens it after `position`."""
        headers = {"Accept": _MEDIA_TYPE, "Cache-Control": "no-store", **headers_for(token)}
        if position:
            headers["Last-Event-ID"] = position
        operation = Operation("GET", self.path, lambda _: None, params=self.params)
        return Open(operation.request(headers, 0), SILENCE_SECONDS)


def one_pedido(pedido_id: UUID | str) -> Source[Pedido]:
    """An order as it changes, until it ends."""
    path = f"/pedidos/{operations.order_id(pedido_id)}/eventos"
    return Source(path, {"status": Pedido}, lambda pedido: pedido.status.final)


def pedidos(cliente_id: str | None) -> Source[MudancaDoPedido]:
    """All orders, or a customer's, as they change."""
    params = {"clienteId": cliente_id} if cliente_id else {}
    return Source("/pedidos/eventos", {"status": MudancaDoPedido}, _never, params)


def saldos() -> Source[Saldo | SkuEncerrado]:
    """Balances as they change."""
    return Source("/estoque/eventos", {"saldo": Saldo, "encerrado": SkuEncerrado}, _never)


def _never(_: object) -> bool:
    return False


@dataclass
class Place:
    """The place to resume: after the last emitted event, and past events filtered out for this stream. `pause`:
    seconds to wait before resuming.
    """

    position: str
    pause: float = _RETRY_SECONDS

    def passed(self, event: ServerSentEvent) -> None:
        """Advances past a block."""
        self.position = event.id
        if event.retry is not None:
            self.pause = max(_SHORTEST_RETRY, event.retry / 1000)


def follow(
    source: Source[T],
    place: Place,
    retry: Retry,
    patience: float,
    clock: Callable[[], float],
    draw: Callable[[], float],
) -> Generator[FollowEffect[T], Any, None]:
    """Emits the events after `place` until the stream ends. Raises ReservaError; PositionLostError if it cannot
    resume.

    `retry` governs the first connection. After each later loss it tries to reconnect for `patience` seconds.
    """
    policy, lost_at, attempt = retry, clock(), 0
    while True:
        outcome = yield from signed(lambda token: source.request(token, place.position))
        if isinstance(outcome, Answer) and outcome.status == NO_CONTENT:
            return
        if isinstance(outcome, Answer) and outcome.status == OK:
            lost = yield from _read(source, place, outcome)
            if lost is None:
                return
            outcome = lost
            policy = Retry(patience, _ANY_NUMBER, place.pause, _LONGEST_PAUSE)
            lost_at, attempt = clock(), 0
        attempt += 1
        left = policy.deadline - (clock() - lost_at)
        repeat = may_repeat(outcome, safe=True)
        retry_after = min(retry_after_of(outcome) or 0.0, _LONGEST_RETRY_AFTER)
        pause = policy.pause(attempt, retry_after, left, draw()) if repeat else None
        if pause is None:
            raise error_from(outcome)
        yield Sleep(pause, f"the stream was interrupted ({error_from(outcome)})")


def _read(source: Source[T], place: Place, opened: Answer) -> Generator[Read | Close | Emit[T], Any, Fault | None]:
    """Emits the events of one connection. Returns why it ended; None if no more events will follow."""
    kind = opened.headers.get("content-type", "")
    if not kind.startswith(_MEDIA_TYPE):
        yield Close()
        raise UnreadableAnswerError(opened, f"it is of type {kind!r}, not an event stream")
    parser = Parser(place.position)
    while True:
        piece: bytes | Fault = yield Read()
        if isinstance(piece, Fault) or not piece:
            yield Close()
            return piece if isinstance(piece, Fault) else Fault("the server ended the stream", sent=True)
        try:
            for event in _blocks(parser, piece, opened):
                place.passed(event)
                value = source.read(event)
                if value is not None and source.ended(value):
                    yield Close()
                    yield Emit(value)
                    return None
                if value is not None:
                    yield Emit(value)
        except UnreadableAnswerError:
            yield Close()
            raise


def _blocks(parser: Parser, piece: bytes, opened: Answer) -> list[ServerSentEvent]:
    try:
        return parser.feed(piece)
    except ValueError as error:
        raise UnreadableAnswerError(opened, str(error)) from error
