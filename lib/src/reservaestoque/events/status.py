"""The statuses of an order (docs/architecture.md, An order's life)."""

from enum import StrEnum


class Status(StrEnum):
    """The status of an order. pedidos itself sets only `Criado`; every other status comes from estoque."""

    CRIADO = "Criado"
    ESTOQUE_RESERVADO = "EstoqueReservado"
    ESTOQUE_NAO_DISPONIVEL = "EstoqueNaoDisponivel"
    RESERVA_EXPIRADA = "ReservaExpirada"
    FECHADO = "Fechado"
    CANCELADO = "Cancelado"


FINAL_STATUSES = frozenset({Status.ESTOQUE_NAO_DISPONIVEL, Status.FECHADO, Status.CANCELADO})
