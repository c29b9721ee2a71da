"""The rules on how pedidos and estoque must agree. Pure: no I/O, the clock is an argument.

The snapshot of pedidos is always taken first, so the later one of estoque contains everything pedidos has received.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from conferir.pedido import Pedido
from conferir.violation import Rule, Violation
from reservaestoque.events import FINAL_STATUSES, Status


@dataclass(frozen=True)
class Criteria:
    """The limits of what the audit tolerates.

    A missing row is a violation while it is younger than `retention`; an older one may have been purged. An expiry
    notice, which no caller waits for, may be in flight for `delivery`. With `at_rest` nothing may be in flight.
    """

    retention: timedelta = timedelta(hours=20)
    delivery: timedelta = timedelta(minutes=10)
    at_rest: bool = False


class Clocks(NamedTuple):
    """The clock of each database."""

    pedidos: datetime
    estoque: datetime


class Pair(NamedTuple):
    """An order in both databases; None where it is missing.

    `pending`: one of its commands is still being resent. `in_flight`: estoque has unpublished snapshots of it.
    """

    pedidos: Pedido | None
    estoque: Pedido | None
    pending: bool = False
    in_flight: bool = False


class Command(NamedTuple):
    """A command in pedidos. `pending`: it will be resent."""

    id: UUID
    pedido_id: UUID
    tipo: str
    criado_em: datetime
    pending: bool
    answered: bool
    recusa: str | None


class History(NamedTuple):
    """An order's version in pedidos, the number of its commands, and how many may have reserved or closed it."""

    id: UUID
    status: str
    versao: int
    commands: int
    reservas: int
    closes: int


def looks_consistent(pair: Pair) -> bool:
    """Whether both sides hold the same decided order, so that no further check is needed."""
    return (
        pair.pedidos is not None
        and pair.estoque is not None
        and pair.pedidos.status != Status.CRIADO
        and pair.pedidos.comparable == pair.estoque.comparable
    )


def check_pair(pair: Pair, now: Clocks, criteria: Criteria) -> Violation | None:
    """The violation, if the difference between both sides persists; None when the difference is legitimate."""
    pedidos, estoque = pair.pedidos, pair.estoque
    if pedidos is None:
        if estoque is None or _may_be_purged(estoque, now.estoque, criteria):
            return None
        return _disagreement(pair, "missing in pedidos")
    if pedidos.status == Status.CRIADO and (criteria.at_rest or not pair.pending):
        return Violation(Rule.UNDECIDED, str(pedidos.id), f"Criado; {_side('estoque', estoque)}")
    if estoque is None:
        if pedidos.status == Status.CRIADO or _may_be_purged(pedidos, now.pedidos, criteria):
            return None
        return _disagreement(pair, "missing in estoque")
    return _check_both(pair, pedidos, estoque, now, criteria)


def _check_both(pair: Pair, pedidos: Pedido, estoque: Pedido, now: Clocks, criteria: Criteria) -> Violation | None:
    # A cancellation that overtook its order contains no items.
    if estoque.itens not in (pedidos.itens, "{}") or (estoque.itens == "{}" and estoque.status != Status.CANCELADO):
        return _disagreement(pair, f"items {pedidos.itens} and {estoque.itens}")
    if pedidos.versao < estoque.versao and _is_in_flight(pair, pedidos, estoque, now, criteria):
        return None
    if pedidos.comparable[:2] != estoque.comparable[:2]:
        return _disagreement(pair)
    if pedidos.expira_em != estoque.expira_em:
        return _disagreement(pair, f"lapses at {pedidos.expira_em} and {estoque.expira_em}")
    if pedidos.itens_em_falta != estoque.itens_em_falta:
        return _disagreement(pair, f"lacks {pedidos.itens_em_falta} and {estoque.itens_em_falta}")
    return None


def _is_in_flight(pair: Pair, pedidos: Pedido, estoque: Pedido, now: Clocks, criteria: Criteria) -> bool:
    """Whether estoque's newer snapshot is still in flight. Commands are resent until answered, lapses are not."""
    if criteria.at_rest:
        return False
    if pair.pending or pair.in_flight:
        return True
    lapsed = (pedidos.status, estoque.status) == (Status.ESTOQUE_RESERVADO, Status.RESERVA_EXPIRADA)
    return lapsed and now.estoque - estoque.atualizado_em < criteria.delivery


def check_command(
    command: Command, inbox: dict[UUID, str | None], now: datetime, criteria: Criteria
) -> Violation | None:
    """The violation in a command, if any. `inbox` maps the event ids in estoque's inbox to their refusals."""
    if not command.answered:
        if command.pending and not criteria.at_rest:
            return None
        fate = "was never answered" if command.pending else "was never answered and is not being resent"
        return Violation(Rule.UNANSWERED, str(command.id), f"{_describe(command)} {fate}")
    if command.id in inbox:
        if inbox[command.id] == command.recusa:
            return None
        recorded, answered = command.recusa or "yes", inbox[command.id] or "yes"
        detail = f"{_describe(command)}: pedidos recorded {recorded}, estoque answered {answered}"
        return Violation(Rule.ANSWER, str(command.id), detail)
    if now - command.criado_em >= criteria.retention:
        return None
    return Violation(Rule.ANSWER, str(command.id), f"{_describe(command)} was answered, but estoque has no record")


def check_version(h: History) -> Violation | None:
    """A violation if an order has more versions than its commands and lapses explain: an event was applied twice.

    Each command adds one version. So does each lapse, at most one per reservation: a live reservation has not lapsed,
    and a check that failed reserved nothing.
    """
    refused = h.status == Status.ESTOQUE_NAO_DISPONIVEL and not h.closes
    lapses = max(h.reservas - (h.status == Status.ESTOQUE_RESERVADO) - refused, 0)
    if h.versao <= h.commands + lapses:
        return None
    detail = f"{h.status}, version {h.versao} after {h.commands} commands and at most {lapses} lapses"
    return Violation(Rule.VERSION, str(h.id), detail)


def _may_be_purged(known: Pedido, now: datetime, criteria: Criteria) -> bool:
    """Whether the other database may have purged the order: it is final and past retention."""
    return known.status in FINAL_STATUSES and now - known.criado_em >= criteria.retention


def _disagreement(pair: Pair, detail: str = "") -> Violation:
    known = pair.pedidos or pair.estoque
    both = f"{_side('pedidos', pair.pedidos)}, {_side('estoque', pair.estoque)}"
    return Violation(Rule.AGREEMENT, str(known.id if known else ""), f"{both}{'; ' if detail else ''}{detail}")


def _side(database: str, pedido: Pedido | None) -> str:
    return f"{database} has {pedido.status} ({pedido.versao})" if pedido else f"{database} has nothing"


def _describe(command: Command) -> str:
    return f"{command.tipo} of order {command.pedido_id}"
