"""Access rules for orders. Pure: no I/O, no clock.

| | own order | order of another | unknown order | own orders | orders of another | orders of all customers |
|---|---|---|---|---|---|---|
| anyone, if identities are not required | allow | allow | not found | allow | allow | allow |
| anonymous | unauthenticated | … | … | … | … | … |
| a customer | allow | not found | not found | allow | forbidden | forbidden |
| a customer with the scope pedidos:admin | allow | allow | not found | allow | allow | allow |

The left half applies to reading, following, closing, cancelling or renewing one order; the right half to creating,
listing or following orders by customer. A customer cannot tell whether another customer's order exists.
"""

from enum import Enum

from reservaestoque.http.caller import ALL_ORDERS, Caller, Verdict, identified

NOT_YOURS = f"these orders are another customer's; the scope {ALL_ORDERS} opens them"


class Target(Enum):
    """The subject of a request: one order by its id, or orders by their customer."""

    ORDER = "an order"
    ORDERS_OF = "orders of a customer"


def decide(caller: Caller, target: Target, owner: str | None) -> Verdict:
    """The decision about a request for an order of the customer `owner`, or for all of their orders.

    Without an owner the order is unknown, or the request is for the orders of all customers.
    """
    if identified(caller) is not Verdict.ALLOW:
        return Verdict.UNAUTHENTICATED
    if target is Target.ORDER and owner is None:
        return Verdict.NOT_FOUND
    if sees_all(caller) or owner == caller.subject:
        return Verdict.ALLOW
    return Verdict.NOT_FOUND if target is Target.ORDER else Verdict.FORBIDDEN


def effective_customer(caller: Caller, requested: str | None) -> str | None:
    """The customer whose orders a list shows: the requested one; by default the caller, or None for all customers."""
    return caller.subject if requested is None and not sees_all(caller) else requested


def sees_all(caller: Caller) -> bool:
    """Whether the orders of all customers are open to the caller."""
    return caller.trusted or ALL_ORDERS in caller.scopes
