"""How `make up` interprets a StockItem's status."""

import pytest

from local_system import stock_items
from local_system.stock_items import StockItem


def item(
    name: str = "a", synced: str = "", *, status: str = "False", behind: bool = False, **more: object
) -> StockItem:
    """A StockItem with this reason of Synced; `behind` means that its status is about an older generation."""
    conditions = [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": f"says {reason}",
            "observedGeneration": 3 - behind,
        }
        for kind, value, reason in (("Synced", status, synced), ("Available", str(more.get("available")), "x"))
        if synced
    ]
    metadata = {"name": name, "namespace": more.get("namespace", "default"), "generation": 3}
    return {"metadata": metadata, "status": {"sku": name.upper(), "conditions": conditions}}


@pytest.mark.parametrize("reason", ["BelowCommitted", "SkuConflict", "Deleting", "Rejected"])
def test_items_that_cannot_be_synced_are_not_awaited(reason: str) -> None:
    assert stock_items.is_settled(item(synced=reason))
    assert not stock_items.is_settled(item(synced=reason, behind=True))


def test_an_unavailable_database_is_awaited_although_the_operator_has_reacted() -> None:
    waiting = item(synced="DatabaseUnavailable")
    assert (stock_items.is_settled(waiting), stock_items.has_reaction(waiting)) == (False, True)


@pytest.mark.parametrize("ignored", [item(), item(synced="Synced", status="True", behind=True), {"metadata": {}}])
def test_without_a_status_of_the_current_generation_there_is_no_reaction(ignored: StockItem) -> None:
    assert not stock_items.has_reaction(ignored)


def test_each_item_that_is_not_synced_has_a_line_with_the_reason() -> None:
    items = [
        item("d", "BelowCommitted"),
        item("c", "Synced", status="True"),
        item("b", "SkuConflict", namespace="shop"),
        item("a"),
    ]
    assert stock_items.not_synced(items) == [
        "a: the operator has not processed it yet",
        "d: BelowCommitted: says BelowCommitted",
        "shop/b: SkuConflict: says SkuConflict",
    ]


def test_of_many_items_only_ten_are_named() -> None:
    lines = stock_items.not_synced([item(f"n{n:02}") for n in range(25)])
    assert len(lines) == 11
    assert lines[-1] == "and 15 more"


def test_the_ordered_sample_can_be_reserved() -> None:
    items = [
        item("b", "Synced", available=True),
        item("a", "Synced", available=False),
        item("c", "Synced", available=True),
    ]
    assert stock_items.in_stock(items) == "B"
    assert stock_items.in_stock(items[1:2]) is None
