import pytest
from stock_item_factory import NOW

from operador.decide.k8s_events import k8s_events
from operador.decide.stockitem import Condition, Status


def status(synced="Synced", available="InStock", low="False", disponivel=10):
    conditions = (
        Condition("Synced", str(synced == "Synced"), synced, "", 1, NOW),
        Condition("Available", str(available == "InStock"), available, "", 1, NOW),
        Condition("LowStock", low, "x", "", 1, NOW),
    )
    return Status("A", 1, conditions, disponivel=disponivel)


TABLE = [
    ("first claim", None, status(), ["Normal Claimed"]),
    ("an order", status(), status(disponivel=9), []),
    ("conflict from the start", None, status("SkuConflict", "SkuConflict"), ["Warning SkuConflict"]),
    ("conflict resolved", status("SkuConflict", "SkuConflict"), status(), ["Normal Claimed"]),
    ("below committed", status(), status("BelowCommitted"), ["Warning BelowCommitted"]),
    ("no longer below committed", status("BelowCommitted"), status(), ["Normal Synced"]),
    ("out of stock", status(), status(available="OutOfStock"), ["Warning OutOfStock"]),
    ("back in stock", status(available="OutOfStock"), status(), ["Normal BackInStock"]),
    ("new and empty", None, status(available="OutOfStock"), ["Normal Claimed"]),
    ("paused by its owner", status(), status(available="Paused"), []),
    ("low", status(), status(low="True"), ["Warning LowStock"]),
    ("still low", status(low="True"), status(low="True", disponivel=3), []),
    ("deletion waits", status(), status("Deleting", "Deleting"), ["Normal Deleting"]),
    ("refused", status(), status("Rejected"), ["Warning Rejected"]),
    ("an outage", status(), status("DatabaseUnavailable"), []),
    ("an outage over", status("DatabaseUnavailable"), status(), []),
    ("conflict found after an outage", status("DatabaseUnavailable"), status("SkuConflict"), ["Warning SkuConflict"]),
]


@pytest.mark.parametrize(("before", "after", "expected"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
def test_which_status_changes_are_reported_as_events(before, after, expected):
    assert [f"{e.type} {e.reason}" for e in k8s_events(before, after)] == expected
