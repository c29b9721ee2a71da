"""After a start: apply the sample StockItems, wait until they are synchronised, place one order as a customer."""

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx

from local_system.errors import LocalSystemError
from local_system.system import System

_SYNC_SECONDS = 30.0
_CUSTOMER = "cliente-1"


def apply_and_place(system: System) -> tuple[str | None, httpx.Response | None]:
    """Both steps: the SKU that was ordered and the answer; None when none of the samples has a unit left.

    Raises LocalSystemError with a sentence when one of them fails.
    """
    sku = in_stock(apply_examples(system))
    try:
        return sku, place(system, sku) if sku else None
    except httpx.HTTPError as error:
        raise LocalSystemError(f"the gateway did not answer a first order ({error}); see its log") from error


def apply_examples(system: System) -> list[dict[str, Any]]:
    """Apply k8s/exemplos and return all StockItems of namespace default once each of them is Synced.

    Raises LocalSystemError which names those that are not after 30 s.
    """
    system.kubectl("apply", f"--filename={system.layout.root / 'k8s' / 'exemplos'}")
    deadline = time.monotonic() + _SYNC_SECONDS
    while True:
        items: list[dict[str, Any]] = json.loads(system.kubectl("get", "stockitems", "--output=json"))["items"]
        behind = [item["metadata"]["name"] for item in items if not is_synced(item)]
        if not behind:
            return items
        if time.monotonic() > deadline:
            raise LocalSystemError(
                f"these StockItems are not Synced after {_SYNC_SECONDS:.0f} s: {', '.join(behind)}; see "
                f"`kubectl describe stockitem` and {system.layout.log('operator')}"
            )
        time.sleep(0.2)


def is_synced(item: dict[str, Any]) -> bool:
    """Whether the operator has carried out the StockItem as it stands."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(
        condition["type"] == "Synced"
        and condition["status"] == "True"
        and condition.get("observedGeneration", 0) >= item["metadata"]["generation"]
        for condition in conditions
    )


def in_stock(items: Sequence[dict[str, Any]]) -> str | None:
    """An SKU of which there is something, the first by name."""
    known = sorted(items, key=lambda item: str(item["metadata"]["name"]))
    return next((item["status"]["sku"] for item in known if item["status"].get("available", 0) > 0), None)


def body(sku: str) -> str:
    """An order of one unit, as JSON."""
    return json.dumps({"clienteId": _CUSTOMER, "itens": [{"sku": sku, "quantidade": 1}]})


def place(system: System, sku: str) -> httpx.Response:
    """Order one unit through the gateway and wait up to 5 s for the decision."""
    headers = {"Prefer": "wait=5", "Content-Type": "application/json"}
    with httpx.Client(timeout=10, trust_env=False) as client:
        return client.post(f"{system.gateway_url}/pedidos", content=body(sku), headers=headers)
