"""Who may read balances."""

import pytest

from estoque.access import may_read
from reservaestoque.http.caller import ANONYMOUS, ANYONE, Caller, Verdict


@pytest.mark.parametrize(
    ("caller", "verdict"),
    [
        (ANYONE, Verdict.ALLOW),
        (ANONYMOUS, Verdict.UNAUTHENTICATED),
        (Caller("ana"), Verdict.FORBIDDEN),
        (Caller("ana", frozenset({"pedidos:admin"})), Verdict.FORBIDDEN),
        (Caller("ana", frozenset({"estoque:ler"})), Verdict.ALLOW),
    ],
)
def test_who_may_read_balances(caller: Caller, verdict: Verdict):
    assert may_read(caller) is verdict
