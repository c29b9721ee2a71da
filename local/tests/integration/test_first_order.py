"""`make up` on a system that its user has changed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stock_items import StockItems, path

from local_system import Config, LocalSystemError, Ports, System, first_order

pytestmark = pytest.mark.integration

SAMPLE = "grande-sertao-1a-edicao"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    state = tmp_path_factory.mktemp("first_order")
    Ports.free().record(state / "ports.json")
    with System(Config(state=state)) as system:
        yield system


def run(system: System, *words: str, **settings: str) -> str:
    """The output of `python -m local_system`, which succeeds."""
    argv = [sys.executable, "-m", "local_system", *words]
    env = {**os.environ, "LOCAL_DIR": str(system.layout.state), **settings}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def up(system: System) -> str:
    """The output of `make up`."""
    said = run(system, "up")
    assert all(state.name == "RUNNING" for state in system.states().values())
    return said


def declare(system: System, name: str, sku: str, quantity: int) -> None:
    spec = {"sku": sku, "name": name, "quantity": quantity}
    item = {"apiVersion": "reservaestoque.dev/v1", "kind": "StockItem", "metadata": {"name": name}, "spec": spec}
    system.kubectl("apply", "--filename=-", stdin=json.dumps(item))


def status(system: System, name: str) -> dict[str, Any]:
    with StockItems(system) as stock_items:
        return (stock_items.get(path("default", name)) or {}).get("status", {})


def synced(system: System, name: str) -> str | None:
    conditions = status(system, name).get("conditions", [])
    return next((one["reason"] for one in conditions if one["type"] == "Synced"), None)


def wait_for(system: System, name: str, reason: str) -> None:
    deadline = time.monotonic() + 30
    while synced(system, name) != reason:
        assert time.monotonic() < deadline, synced(system, name)
        time.sleep(0.1)


def reserve(system: System, sku: str, units: int) -> None:
    order = {"clienteId": "ana", "itens": [{"sku": sku, "quantidade": units}]}
    headers = {"Prefer": "wait=10"}
    answer = httpx.post(f"{system.gateway_url}/pedidos", json=order, headers=headers, timeout=30, trust_env=False)
    assert answer.json()["status"] == "EstoqueReservado", answer.text


def available(system: System, name: str, units: int) -> None:
    """Waits until the operator reports that many available units of an item."""
    deadline = time.monotonic() + 30
    while status(system, name).get("available") != units:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def remarks(system: System) -> str:
    """The output of `make up` from its remarks about StockItems on."""
    return up(system).partition("StockItems that are not")[2]


def test_the_first_up_has_no_remarks(system: System) -> None:
    said = up(system)
    assert "StockItems that are not" not in said
    assert "A first order, for one CAFE-ESPECIAL-250G, was answered 201" in said


def test_up_names_the_users_own_items_that_are_not_synced_and_continues(system: System) -> None:
    """More units committed than supplied, an item being deleted, a SKU that belongs to another item."""
    for name in ("own-few", "own-going"):
        declare(system, name, name.upper(), 10)
        available(system, name, 10)
        reserve(system, name.upper(), 5)
    declare(system, "own-few", "OWN-FEW", 1)
    declare(system, "own-double", "CAFE-ESPECIAL-250G", 10)
    system.kubectl("delete", "stockitem", "own-going", "--wait=false")
    wait_for(system, "own-few", "BelowCommitted")
    wait_for(system, "own-going", "Deleting")
    wait_for(system, "own-double", "SkuConflict")
    said = remarks(system)
    assert "own-few: BelowCommitted: spec.quantity is 1, but 5 are committed (5 reserved, 0 sold)" in said
    assert "own-going: Deleting: Deletion waits for 5 units in live reservations" in said
    assert "own-double: SkuConflict: SKU CAFE-ESPECIAL-250G belongs to StockItem default/cafe-especial-250g" in said
    assert "A first order, for one CAFE-ESPECIAL-250G, was answered 201" in said


def test_a_sample_with_more_units_ordered_than_declared_is_no_failure(system: System) -> None:
    system.kubectl("patch", "stockitem", SAMPLE, "--type=merge", '--patch={"spec": {"quantity": 10}}')
    available(system, SAMPLE, 10)
    reserve(system, "LIVRO-GRANDE-SERTAO-1956", 5)
    assert f"{SAMPLE}: BelowCommitted: spec.quantity is 3, but 5 are committed" in remarks(system)


def test_a_sample_whose_name_has_another_sku_is_no_failure(system: System) -> None:
    system.kubectl("delete", "stockitem", "fone-bluetooth")
    declare(system, "fone-bluetooth", "OWN-PHONE", 3)
    assert 'The StockItem "fone-bluetooth" is invalid: spec.sku: Forbidden' in remarks(system)


def test_an_operator_that_does_not_react_to_a_sample_is_a_failure(system: System) -> None:
    system.stop("operator")
    system.kubectl("patch", "stockitem", "cafe-especial-250g", "--type=merge", '--patch={"spec": {"quantity": 12}}')
    with pytest.raises(
        LocalSystemError, match=r"has not reacted to these .* within 1 s: cafe-especial-250g; see .*log"
    ):
        first_order.apply_and_place(system, seconds=1)
    system.start("operator")
    assert first_order.apply_and_place(system).sku == "CAFE-ESPECIAL-250G"


def test_with_tokens_the_first_order_has_one_and_other_calls_need_one(system: System) -> None:
    switches = {"GATEWAY_JWT": "on", "GATEWAY_LIMITS": "on"}
    said = run(system, "up", **switches)
    assert "was answered 201" in said
    assert "make -s token" in said
    with httpx.Client(base_url=system.gateway_url, trust_env=False) as client:
        assert client.get("/pedidos?clienteId=cliente-1").status_code == httpx.codes.UNAUTHORIZED
        words = ("token", "cliente-1", "--scope", "estoque:ler", "--valid", "90s")
        token = run(system, *words, **switches).strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.get("/pedidos?clienteId=cliente-1", headers=headers)
        assert answer.status_code == httpx.codes.OK
        assert {order["clienteId"] for order in answer.json()["itens"]} == {"cliente-1"}
        assert answer.headers["ratelimit"].startswith('"cliente";r=')
        assert client.get("/estoque", headers=headers).status_code == httpx.codes.OK
    for name in ("gateway", "pedidos-1", "estoque-1"):
        assert token not in system.log(name)
