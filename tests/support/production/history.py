"""Compares the customers' answers with the final state, and finds the longest gap between answers. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from customers import Answer

FINAL = frozenset({"Fechado", "Cancelado", "EstoqueNaoDisponivel"})

Order = Mapping[str, Any]


def contradictions(answers: Iterable[Answer], orders: Mapping[str, Order]) -> list[str]:
    """One sentence for each acknowledged answer that contradicts the orders at rest.

    `orders` are all that the system has, by id. An order that was answered 2xx must not be missing, have other items,
    an older version or another end, or be undecided.
    """
    found = []
    for answer in answers:
        if answer.failed or "pedidoId" not in answer.body:
            continue
        order = orders.get(answer.body["pedidoId"])
        wrong = "is not there" if order is None else _contradiction(answer.body, order)
        if wrong:
            told = f"{answer.code} {answer.body['status']} version {answer.body['versao']}"
            found.append(f"{answer.body['pedidoId']} {wrong}; {answer.request.split('/')[0]}was answered {told}")
    return found


def _contradiction(told: Order, order: Order) -> str:
    if order["itens"] != told["itens"]:
        return f"has other items: {order['itens']}"
    if order["status"] == "Criado":
        return "is undecided"
    if order["versao"] < told["versao"]:
        return f"is of version {order['versao']}"
    changed = order["status"] != told["status"]
    if changed and (told["status"] in FINAL or order["versao"] == told["versao"]):
        return f"is {order['status']}"
    return ""


def longest_silence(instants: Iterable[float], begin: float, end: float) -> float:
    """The longest gap, in seconds, between `begin` and `end` without any of the instants."""
    inside = sorted(instant for instant in instants if begin <= instant <= end)
    return max(later - earlier for earlier, later in pairwise([begin, *inside, end]))


@dataclass(frozen=True)
class Row:
    """The cost of a fault: seconds without accepted and without decided orders, and failed requests."""

    fault: str
    accepted: float
    decided: float
    failed: int
    requests: int
    note: str = ""


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    head = (
        "| fault | s without accepted orders | s without decided ones | failed requests | |\n|---|---|---|---|---|\n"
    )
    lines = [
        f"| {row.fault} | {row.accepted:.1f} | {row.decided:.1f} | {row.failed} of {row.requests} | {row.note} |\n"
        for row in rows
    ]
    return head + "".join(lines)
