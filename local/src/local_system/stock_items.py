"""The operator's progress on StockItems, read from their statuses. Pure: items are as kubectl prints them."""

from collections.abc import Iterable, Sequence
from typing import Any

StockItem = dict[str, Any]

_UNFINISHED = "DatabaseUnavailable"
_LISTED = 10


def has_reaction(item: StockItem) -> bool:
    """Whether the operator has reported on the current generation of the StockItem."""
    return _condition(item, "Synced") is not None


def is_settled(item: StockItem) -> bool:
    """Whether the operator has done all it can for the current generation: waiting longer changes nothing."""
    synced = _condition(item, "Synced")
    return synced is not None and synced["reason"] != _UNFINISHED


def in_stock(items: Iterable[StockItem]) -> str | None:
    """The SKU of an item that can be ordered, the first by name."""
    for item in sorted(items, key=_name):
        available = _condition(item, "Available")
        if available is not None and available["status"] == "True":
            return str(item["status"]["sku"])
    return None


def not_synced(items: Iterable[StockItem]) -> list[str]:
    """A line with the reason for each item that is not Synced, by name; at most ten, and how many more there are."""
    lines = [line for item in sorted(items, key=_name) if (line := _why_not(item))]
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"and {more} more"]


def _why_not(item: StockItem) -> str:
    synced = _condition(item, "Synced")
    if synced is None:
        return f"{_name(item)}: the operator has not processed it yet"
    return "" if synced["status"] == "True" else f"{_name(item)}: {synced['reason']}: {synced['message']}"


def names(items: Sequence[StockItem]) -> str:
    """Their names, joined for a sentence."""
    return ", ".join(sorted(map(_name, items)))


def _name(item: StockItem) -> str:
    """The name as kubectl takes it: with the namespace, unless that is the default one."""
    metadata = item["metadata"]
    namespace: str = metadata.get("namespace", "default")
    return metadata["name"] if namespace == "default" else f"{namespace}/{metadata['name']}"


def _condition(item: StockItem, kind: str) -> dict[str, Any] | None:
    """The condition, if it is about the current generation."""
    for condition in item.get("status", {}).get("conditions", []):
        if condition["type"] == kind and condition.get("observedGeneration", 0) >= item["metadata"]["generation"]:
            return dict(condition)
    return None
