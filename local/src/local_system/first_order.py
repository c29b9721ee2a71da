"""After a start: applies the sample StockItems, waits until the operator has handled them, orders one of them."""

import json
import time
from dataclasses import dataclass, field

import httpx

from local_system import stock_items
from local_system.errors import LocalSystemError
from local_system.stock_items import StockItem
from local_system.system import System

SAMPLE_NAMESPACE = "default"
_SYNC_SECONDS = 30.0
CUSTOMER = "cliente-1"


@dataclass(frozen=True)
class FirstOrder:
    """The SKU of the sample that was ordered, and the answer; None when no sample can be ordered.

    `remarks`: lines for a person about samples that the API server refuses and StockItems that are not
    Synced.
    """

    sku: str | None = None
    answer: httpx.Response | None = None
    remarks: list[str] = field(default_factory=list)


def apply_and_place(system: System, seconds: float = _SYNC_SECONDS) -> FirstOrder:
    """Applies k8s/samples and orders one unit of a sample.

    A StockItem that cannot be Synced, because a user has changed it, is not a failure. Raises LocalSystemError with a
    sentence when the operator does not react to a sample within `seconds`, or the gateway to the order.
    """
    watched = system.config.settings.get("NAMESPACE", SAMPLE_NAMESPACE)
    if watched != SAMPLE_NAMESPACE:
        raise LocalSystemError(
            f"NAMESPACE={watched}: the operator would ignore the samples, which are in {SAMPLE_NAMESPACE}; unset it"
        )
    refused = _apply(system)
    samples = _settled(system, seconds)
    remarks = [*refused, *stock_items.not_synced(_items(system, "stockitems", "--all-namespaces"))]
    sku = stock_items.in_stock(samples)
    try:
        return FirstOrder(sku, place(system, sku) if sku else None, remarks)
    except httpx.HTTPError as error:
        raise LocalSystemError(f"the gateway did not answer a first order ({error}); see its log") from error


def _samples(system: System) -> str:
    return f"--filename={system.layout.root / 'k8s' / 'samples'}"


def _apply(system: System) -> list[str]:
    """Applies the samples; returns the API server's message on each refusal, such as of a changed SKU."""
    try:
        system.kubectl("apply", _samples(system))
    except LocalSystemError as error:
        return str(error).splitlines()
    return []


def _settled(system: System, seconds: float) -> list[StockItem]:
    """The samples, once the operator has done everything possible for them, or when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        samples = _items(system, _samples(system))
        if all(map(stock_items.is_settled, samples)):
            return samples
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    ignored = [item for item in samples if not stock_items.has_reaction(item)]
    if ignored:
        raise LocalSystemError(
            f"the operator has not reacted to these StockItems within {seconds:.0f} s: {stock_items.names(ignored)}; "
            f"see {system.layout.log('operator')}"
        )
    return samples


def _items(system: System, *what: str) -> list[StockItem]:
    printed = system.kubectl("get", *what, "--ignore-not-found", "--output=json")
    found: StockItem = json.loads(printed) if printed.strip() else {"items": []}
    items: list[StockItem] = found.get("items", [found])
    return items


def body(sku: str) -> str:
    """An order of one unit, as JSON."""
    return json.dumps({"clienteId": CUSTOMER, "itens": [{"sku": sku, "quantidade": 1}]})


def place(system: System, sku: str) -> httpx.Response:
    """Orders one unit through the gateway and waits up to 5 s for the decision."""
    headers = {"Prefer": "wait=5", "Content-Type": "application/json"}
    if system.config.jwt:
        headers["Authorization"] = f"Bearer {system.layout.issuer().token(CUSTOMER)}"
    with httpx.Client(timeout=10, trust_env=False) as client:
        return client.post(f"{system.gateway_url}/pedidos", content=body(sku), headers=headers)
