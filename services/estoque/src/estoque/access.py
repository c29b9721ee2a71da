"""Access rules for balances. Pure: no I/O, no clock.

| anyone, if identities are not required | anonymous | a customer | a customer with the scope estoque:ler |
|---|---|---|---|
| allow | unauthenticated | forbidden | allow |
"""

from reservaestoque.http.caller import READ_STOCK, Caller, Verdict, has_scope

NOT_OPEN = f"reading balances needs the scope {READ_STOCK}"


def may_read(caller: Caller) -> Verdict:
    """The decision about any request to this service."""
    return has_scope(caller, READ_STOCK)
