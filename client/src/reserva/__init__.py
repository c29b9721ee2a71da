"""The Python client of ReservaEstoque.

    with Reserva("https://loja.example", token=read_token) as reserva:
        pedido = reserva.criar("ana", {"CAMISETA-AZUL-M": 2}, wait=5)
        if pedido.status == Status.ESTOQUE_RESERVADO:
            reserva.fechar(pedido.pedido_id, wait=5)

`AsyncReserva` is the same with `await`. Every POST has an Idempotency-Key, so a failed call can be retried safely.
"""

from reserva.aio import AsyncReserva, AsyncStream
from reserva.errors import (
    ForbiddenError,
    InvalidRequestError,
    KeyReusedError,
    NotAllowedNowError,
    NotFoundError,
    PositionLostError,
    ProblemError,
    RateLimitedError,
    ReservaError,
    ServerError,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
)
from reserva.retry import Retry
from reserva.sync import Reserva, Stream
from reserva.system_state import SystemState
from reserva.types import (
    Consulta,
    Item,
    ItemEmFalta,
    Motivo,
    MudancaDoPedido,
    Pedido,
    Saldo,
    SkuEncerrado,
    Status,
)

__all__ = [
    "AsyncReserva",
    "AsyncStream",
    "Consulta",
    "ForbiddenError",
    "InvalidRequestError",
    "Item",
    "ItemEmFalta",
    "KeyReusedError",
    "Motivo",
    "MudancaDoPedido",
    "NotAllowedNowError",
    "NotFoundError",
    "Pedido",
    "PositionLostError",
    "ProblemError",
    "RateLimitedError",
    "Reserva",
    "ReservaError",
    "Retry",
    "Saldo",
    "ServerError",
    "SkuEncerrado",
    "Status",
    "Stream",
    "SystemState",
    "UnauthenticatedError",
    "UnavailableError",
    "UnreachableError",
    "UnreadableAnswerError",
]
