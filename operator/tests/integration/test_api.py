"""The behaviour of a real API server that the operator relies on."""

import pytest

from local_system.kubernetes import operator_kubeconfig
from operador.cluster.access import Access
from operador.cluster.api import ClusterApi, ConflictError, NotFoundError
from operador.decide.stockitem import Status, read_item

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(system, monkeypatch):
    kubeconfig = str(operator_kubeconfig(system.layout))
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    access = Access(kubeconfig)
    async with access.open_session() as http:
        yield ClusterApi(http, access.info.server, "default")


async def test_a_write_based_on_an_outdated_version_is_refused(world, name, until, api):
    world.apply(name, quantity=1)
    until(lambda: world.reason(name), "Synced")
    old = read_item(world.read(name))
    world.apply(name, quantity=2)
    with pytest.raises(ConflictError):
        await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")
    with pytest.raises(ConflictError):
        await api.set_finalizers(old, ())


async def test_a_successor_of_the_same_name_is_not_written_to(world, name, until, api):
    world.apply(name, quantity=1)
    until(lambda: world.reason(name), "Synced")
    old = read_item(world.read(name))
    world.delete(name)
    until(lambda: world.read(name), None)
    with pytest.raises(NotFoundError):
        await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")
    world.apply(name, quantity=1)
    with pytest.raises(ConflictError):
        await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")


async def test_all_items_are_listed(world, name, api):
    world.apply(name, quantity=1)
    pages = [page async for page in api.pages()]
    names = {body["metadata"]["name"] for bodies, _ in pages for body in bodies}
    assert name in names


async def test_a_list_can_be_required_to_be_no_older_than_a_version(world, name, api):
    for number in range(3):
        world.apply(f"{name}-{number}", quantity=1)
    version = int(world.read(f"{name}-2")["metadata"]["resourceVersion"])
    pages = [page async for page in api.pages(1, not_before=version)]
    names = {body["metadata"]["name"] for bodies, _ in pages for body in bodies}
    assert names >= {f"{name}-{number}" for number in range(3)}
    assert len(pages) >= 3, "in pages, also from memory"
    assert {list_version >= version for _, list_version in pages} == {True}
