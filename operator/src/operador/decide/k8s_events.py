"""Decides which Kubernetes Events a status change warrants."""

import msgspec

from operador.decide.conditions import AVAILABLE, LOW_STOCK, SYNCED
from operador.decide.stockitem import Condition, Status

_WARNINGS = frozenset({"SkuConflict", "BelowCommitted", "Rejected"})
# An outage concerns every item at once: it belongs in logs, metrics and conditions, not in one Event per item.
_SILENT = frozenset({"DatabaseUnavailable"})


class K8sEvent(msgspec.Struct, frozen=True):
    """An Event for people: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def k8s_events(previous: Status | None, new: Status) -> list[K8sEvent]:
    """The Events for a change from one status to the next. Orders alone cause none."""
    found = [
        _sync(_of(previous, SYNCED), _of(new, SYNCED)),
        _availability(_of(previous, AVAILABLE), _of(new, AVAILABLE)),
        _low_stock(_of(previous, LOW_STOCK), _of(new, LOW_STOCK)),
    ]
    return [event for event in found if event is not None]


def _of(status: Status | None, type_: str) -> Condition | None:
    return status.condition(type_) if status is not None else None


def _sync(before: Condition | None, after: Condition | None) -> K8sEvent | None:
    if after is None or after.reason in _SILENT:
        return None
    if before is not None and (before.reason == after.reason or _recovered(before, after)):
        return None
    if after.reason == "Synced" and (before is None or before.reason == "SkuConflict"):
        return K8sEvent("Normal", "Claimed", f"The SKU is this StockItem's. {after.message}")
    return K8sEvent("Warning" if after.reason in _WARNINGS else "Normal", after.reason, after.message)


def _recovered(before: Condition, after: Condition) -> bool:
    """Whether the only change is the end of an outage."""
    return before.reason in _SILENT and after.reason == "Synced"


def _availability(before: Condition | None, after: Condition | None) -> K8sEvent | None:
    if before is None or after is None or before.reason == after.reason:
        return None
    if after.reason == "OutOfStock":
        return K8sEvent("Warning", "OutOfStock", after.message)
    if (before.reason, after.reason) == ("OutOfStock", "InStock"):
        return K8sEvent("Normal", "BackInStock", after.message)
    return None


def _low_stock(before: Condition | None, after: Condition | None) -> K8sEvent | None:
    if after is None or after.status != "True" or (before is not None and before.status == "True"):
        return None
    return K8sEvent("Warning", "LowStock", after.message)
