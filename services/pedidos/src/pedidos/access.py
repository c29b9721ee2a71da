"""Who may do what with orders. Pure: no I/O, no clock.

| | order of the caller | order of another | unknown order | orders of the caller | … of another | … of everybody |
|---|---|---|---|---|---|---|
| anyone, while identities are not asked for | allow | allow | not found | allow | allow | allow |
| nobody | unauthenticated | … | … | … | … | … |
| a customer | allow | not found | not found | allow | forbidden | forbidden |
| a customer with the scope pedidos:admin | allow | allow | not found | allow | allow | allow |

To read, follow, close, cancel or renew an order is one row's left half; to create, list or follow orders by customer,
the right half. A customer cannot tell whether another's order exists.
"""

from enum import Enum

from reservaestoque.http.caller import ALL_ORDERS, Caller, Verdict, identified

NOT_YOURS = f"these orders are another customer's; the scope {ALL_ORDERS} opens them"


class Target(Enum):
    """What a request is about: one order by its id, or orders by their customer."""

    ORDER = "an order"
    ORDERS_OF = "orders of a customer"


def decide(caller: Caller, target: Target, owner: str | None) -> Verdict:
    """What becomes of a request about an order of the customer `owner`, or about all of their orders.

    Without an owner the order is unknown, or the orders are everybody's.
    """
    if identified(caller) is not Verdict.ALLOW:
        return Verdict.UNAUTHENTICATED
    if target is Target.ORDER and owner is None:
        return Verdict.NOT_FOUND
    if sees_all(caller) or owner == caller.subject:
        return Verdict.ALLOW
    return Verdict.NOT_FOUND if target is Target.ORDER else Verdict.FORBIDDEN


def whose(caller: Caller, asked: str | None) -> str | None:
    """Whose orders a list shows: those of the customer asked for; unasked, the caller's own, or everybody's."""
    return caller.subject if asked is None and not sees_all(caller) else asked


def sees_all(caller: Caller) -> bool:
    """Whether the orders of all customers are open to the caller."""
    return caller.trusted or ALL_ORDERS in caller.scopes
