"""The states of an order (DESIGN: order life)."""

from enum import StrEnum


class Status(StrEnum):
    """What has become of an order. Only `Criado` is pedidos' own word; every other one is estoque's."""

    CRIADO = "Criado"
    ESTOQUE_RESERVADO = "EstoqueReservado"
    ESTOQUE_NAO_DISPONIVEL = "EstoqueNaoDisponivel"
    RESERVA_EXPIRADA = "ReservaExpirada"
    FECHADO = "Fechado"
    CANCELADO = "Cancelado"


FINAL_STATUSES = frozenset({Status.ESTOQUE_NAO_DISPONIVEL, Status.FECHADO, Status.CANCELADO})
