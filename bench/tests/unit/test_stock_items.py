"""StockItems as the bare client writes and reads them."""

from typing import Any

import pytest

from bench.stock_items import is_synced, names, status, stock_item


def with_synced(value: str) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Synced", "status": value}]
    return {**stock_item("raw", "raw-000000"), "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (stock_item("raw", "raw-000000"), False),
        ({**stock_item("raw", "raw-000000"), "status": status("raw-000000")}, False),
        (with_synced("False"), False),
        (with_synced("True"), True),
    ],
    ids=["without a status", "with a raw status", "not synced", "synced"],
)
def test_only_the_condition_synced_counts(item: dict[str, Any], expected: bool) -> None:
    assert is_synced(item) is expected


def test_names_are_distinct_and_sorted() -> None:
    assert names("raw", 3) == ["raw-000000", "raw-000001", "raw-000002"]
