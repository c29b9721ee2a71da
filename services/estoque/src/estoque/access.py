"""Who may read balances. Pure: no I/O, no clock.

| anyone, while identities are not asked for | nobody | a customer | a customer with the scope estoque:ler |
|---|---|---|---|
| allow | unauthenticated | forbidden | allow |
"""

from reservaestoque.http.caller import READ_STOCK, Caller, Verdict, has_scope

NOT_OPEN = f"balances are read with the scope {READ_STOCK}"


def decide(caller: Caller) -> Verdict:
    """What becomes of any request to this service."""
    return has_scope(caller, READ_STOCK)
