"""The program's exit codes. Pure."""

from enum import IntEnum

from reserva import errors
from reserva.types import Pedido, Status


class ExitCode(IntEnum):
    """See docs/client.md."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    OUT_OF_STOCK = 3
    NOT_FOUND = 4
    NOT_ALLOWED_NOW = 5
    UNAUTHENTICATED = 6
    FORBIDDEN = 7
    INVALID = 8
    UNREACHABLE = 9
    UNDECIDED = 10
    SERVER_ERROR = 11
    UNKNOWN = 12
    LOCAL_ERROR = 13
    INTERRUPTED = 130


_OF_ERRORS: tuple[tuple[type[errors.ReservaError], ExitCode], ...] = (
    (errors.NotFoundError, ExitCode.NOT_FOUND),
    (errors.NotAllowedNowError, ExitCode.NOT_ALLOWED_NOW),
    (errors.UnauthenticatedError, ExitCode.UNAUTHENTICATED),
    (errors.ForbiddenError, ExitCode.FORBIDDEN),
    (errors.InvalidRequestError, ExitCode.INVALID),
    (errors.PositionLostError, ExitCode.INVALID),
    (errors.UnreachableError, ExitCode.UNREACHABLE),
    (errors.UnavailableError, ExitCode.UNREACHABLE),
    (errors.RateLimitedError, ExitCode.UNREACHABLE),
)


def of_error(error: errors.ReservaError) -> ExitCode:
    """The exit code for an error."""
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), ExitCode.SERVER_ERROR)


def of_pedido(pedido: Pedido, *, waited: bool) -> ExitCode:
    """The exit code after an order was created or commanded; `waited`: whether the call waited for the outcome."""
    if pedido.status == Status.ESTOQUE_NAO_DISPONIVEL:
        return ExitCode.OUT_OF_STOCK
    return ExitCode.UNDECIDED if waited and not pedido.decided else ExitCode.OK
