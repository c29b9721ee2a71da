"""Upgrade and rollback while customers order; uninstalling and installing again, with data and StockItems kept."""

import asyncio
import time
from collections.abc import Callable

import pytest
from cluster import Installation, ToolError, run
from cluster.installation import PROGRAMS
from customers import Customers, ids_of
from shop import Shop
from waiting import until

pytestmark = pytest.mark.full


async def test_upgrade_and_rollback_under_load_fail_no_request(
    shop: Shop, installed: Installation, say: Callable[[str], None]
):
    """Another tag for every program and another annotation for the gateway: every pod is replaced, twice."""
    skus = [f"U-{n}" for n in range(8)]
    for sku in skus:
        await shop.declare(sku, 1_000_000)
    another = other_tag(installed)
    before = names(installed)
    async with Customers(shop.system.gateway_url, skus, per_second=15) as customers:
        await asyncio.sleep(3)
        start = time.monotonic()
        await asyncio.to_thread(installed.install, "--set-string", "gateway.podAnnotations.round=2", tag=another)
        upgraded = time.monotonic() - start
        during = names(installed)
        await asyncio.to_thread(installed.conferir)
        start = time.monotonic()
        await asyncio.to_thread(installed.helm, "rollback", "loja", "--wait", "--timeout", "6m")
        await asyncio.to_thread(installed.settle)
        rolled_back = time.monotonic() - start
        await asyncio.sleep(10)
    after = names(installed)
    say(f"upgrade {upgraded:.0f} s, rollback {rolled_back:.0f} s: {customers.summary()}")
    assert not before & during
    assert not during & after
    assert not customers.failures
    assert customers.accepted <= await ids_of(shop.client, customers.cliente)
    assert not await ids_of(shop.client, customers.cliente, status="Criado")


def other_tag(installed: Installation) -> str:
    """The same images under another tag: another release as far as Kubernetes is concerned."""
    another = f"{installed.tag}-other"
    images = [f"reservaestoque/{program}" for program in PROGRAMS]
    for image in images:
        run("docker", "tag", f"{image}:{installed.tag}", f"{image}:{another}")
    installed.cluster.load(*[f"{image}:{another}" for image in images])
    run("docker", "rmi", *[f"{image}:{another}" for image in images])
    return another


def names(installed: Installation) -> set[str]:
    """The pods of the release `loja` that are not terminating."""
    parts = ("pedidos", "estoque", "operator", "conferir", "gateway")
    return {pod["metadata"]["name"] for part in parts for pod in installed.pods(part)}


async def nothing_left(installed: Installation) -> bool:
    """Whether the release `loja` has left nothing behind; pods disappear after their owners."""
    types = "deployments,replicasets,services,hpa,pdb,networkpolicies,configmaps,serviceaccounts,jobs,pods"
    chosen = (types, "--selector=app.kubernetes.io/instance=loja", "--output=name")
    return not await asyncio.to_thread(installed.kubectl, "get", *chosen)


async def test_uninstalling_leaves_nothing_stuck_and_a_new_install_continues(shop: Shop, installed: Installation):
    await shop.declare("V-A", 10)
    await shop.declare("V-B", 1)
    vendido = (await shop.order(**{"V-A": 3})).json()["pedidoId"]
    assert (await shop.client.post(f"/pedidos/{vendido}/fechar", headers={"Prefer": "wait=10"})).status_code == 200
    before, saldo = installed.read("stockitems")["items"], await shop.saldo("V-A")

    installed.helm("uninstall", "loja", "--wait", "--timeout", "3m")
    await until(lambda: nothing_left(installed), 90)
    assert [item["metadata"]["uid"] for item in installed.read("stockitems")["items"]] == [
        item["metadata"]["uid"] for item in before
    ]
    # StockItems deleted while no operator runs wait for it because of their finalizers.
    installed.kubectl("delete", "stockitem", "v-b", "--wait=false")

    await asyncio.to_thread(installed.install)

    async def both_found() -> bool:
        """Envoy has found both services again."""
        paths = ("/estoque/V-A", f"/pedidos/{vendido}")
        return {(await shop.client.get(path)).status_code for path in paths} == {200}

    await until(both_found, 30)
    assert await shop.status(vendido) == "Fechado"
    assert await shop.saldo("V-A") == saldo
    assert (await shop.order(**{"V-A": 1})).json()["status"] == "EstoqueReservado"
    installed.kubectl("wait", "--for=delete", "stockitem/v-b", "--timeout=60s")
    with pytest.raises(ToolError, match="NotFound"):
        installed.kubectl("get", "stockitem", "v-b")
