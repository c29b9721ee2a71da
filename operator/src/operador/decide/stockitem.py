"""A StockItem as the operator sees it: what it requests, and its status."""

import sys
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

GROUP, VERSION, PLURAL, KIND = "reservaestoque.dev", "v1", "stockitems", "StockItem"
FINALIZER = "reservaestoque.dev/estoque"

_Value = TypeVar("_Value", bound=Hashable)


class ItemKey(NamedTuple):
    """The identity of a StockItem in the cluster."""

    namespace: str
    name: str

    @property
    def dono(self) -> str:
        """The owner as the stock row records it: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @classmethod
    def from_dono(cls, dono: str) -> "ItemKey":
        """The StockItem that a stock row names as its owner. After a manual edit of the row it may be invalid."""
        namespace, _, name = dono.partition("/")
        return cls(namespace, name)


class Condition(msgspec.Struct, frozen=True):
    """A condition of the status. `since` is lastTransitionTime, RFC 3339."""

    type: str
    status: str
    reason: str
    message: str
    generation: int
    since: str


class Status(msgspec.Struct, frozen=True):
    """A status without lastSyncTime: equal statuses need no write. Units are None when they are unknown."""

    sku: str
    generation: int
    conditions: tuple[Condition, ...]
    quantidade: int | None = None
    disponivel: int | None = None
    reservado: int | None = None
    vendido: int | None = None
    on_hand: int | None = None

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((c for c in self.conditions if c.type == type_), None)


class StockItem(msgspec.Struct, frozen=True):
    """The content of one version of a StockItem. `version` is its resourceVersion: greater is newer.

    `finalizers` are all its finalizers. `gone` means that it no longer exists in the cluster.
    """

    key: ItemKey
    uid: str
    version: int
    generation: int
    sku: str
    nome: str
    quantidade: int
    paused: bool
    limite_baixo: int | None
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    gone: bool = False

    @property
    def ending(self) -> bool:
        """Whether the StockItem is releasing its SKU."""
        return self.deleting or self.gone

    @property
    def finalized(self) -> bool:
        """Whether it has our finalizer, so that it cannot vanish unnoticed."""
        return FINALIZER in self.finalizers


@lru_cache(maxsize=4096)
def _shared(value: _Value) -> _Value:
    """The first of equal values, which saves memory: a hundred thousand StockItems have few distinct conditions."""
    return value


def read_item(body: Mapping[str, Any], *, gone: bool = False) -> StockItem:
    """Parses an object of the API server. All items stay in memory, so repeated strings are shared.

    Raises KeyError for an object that the schema would have rejected.
    """
    meta, spec = body["metadata"], body["spec"]
    return StockItem(
        key=ItemKey(sys.intern(meta["namespace"]), sys.intern(meta["name"])),
        uid=meta["uid"],
        version=int(meta["resourceVersion"]),
        generation=meta.get("generation", 1),
        sku=sys.intern(spec.get("sku", meta["name"])),
        nome=spec["name"],
        quantidade=spec["quantity"],
        paused=spec.get("paused", False),
        limite_baixo=spec.get("lowStockThreshold"),
        finalizers=_shared(tuple(meta.get("finalizers", ()))),
        deleting="deletionTimestamp" in meta,
        gone=gone,
    )


def read_status(body: Mapping[str, Any]) -> Status | None:
    """The status of the object; None when the operator has not written one yet."""
    status = body.get("status")
    if not status or "sku" not in status:
        return None
    return Status(
        sku=sys.intern(status["sku"]),
        generation=status.get("observedGeneration", 0),
        conditions=_shared(tuple(_shared(_read_condition(c)) for c in status.get("conditions", ()))),
        quantidade=status.get("quantity"),
        disponivel=status.get("available"),
        reservado=status.get("reserved"),
        vendido=status.get("sold"),
        on_hand=status.get("onHand"),
    )


def _read_condition(c: Mapping[str, Any]) -> Condition:
    return Condition(
        c["type"], c["status"], c["reason"], c["message"], c.get("observedGeneration", 0), c["lastTransitionTime"]
    )


def status_body(status: Status, now: str) -> dict[str, Any]:
    """The status in the shape of the API. Unknown numbers are null, which a merge patch takes as "remove"."""
    return {
        "sku": status.sku,
        "quantity": status.quantidade,
        "available": status.disponivel,
        "reserved": status.reservado,
        "sold": status.vendido,
        "onHand": status.on_hand,
        "observedGeneration": status.generation,
        "lastSyncTime": now,
        "conditions": [
            {
                "type": c.type,
                "status": c.status,
                "reason": c.reason,
                "message": c.message,
                "observedGeneration": c.generation,
                "lastTransitionTime": c.since,
            }
            for c in status.conditions
        ],
    }
