"""The behaviour of a real API server that the operator relies on."""

import pytest

from local_system.kubernetes import operator_kubeconfig
from operador.cluster.api import ConflictError, NotFoundError, open_api
from operador.decide.stockitem import Status, read_item

pytestmark = pytest.mark.integration


@pytest.fixture
def kubeconfig(system):
    return str(operator_kubeconfig(system.layout))


async def test_a_write_based_on_an_outdated_version_is_refused(world, name, until, kubeconfig):
    world.apply(name, quantity=1)
    until(lambda: world.reason(name), "Synced")
    old = read_item(world.read(name))
    world.apply(name, quantity=2)
    async with open_api("", kubeconfig) as api:
        with pytest.raises(ConflictError):
            await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")
        with pytest.raises(ConflictError):
            await api.set_finalizers(old, ())


async def test_a_successor_of_the_same_name_is_not_written_to(world, name, until, kubeconfig):
    world.apply(name, quantity=1)
    until(lambda: world.reason(name), "Synced")
    old = read_item(world.read(name))
    world.delete(name)
    until(lambda: world.read(name), None)
    async with open_api("", kubeconfig) as api:
        with pytest.raises(NotFoundError):
            await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")
    world.apply(name, quantity=1)
    async with open_api("", kubeconfig) as api:
        with pytest.raises(ConflictError):
            await api.patch_status(old, Status(name, 1, ()), "2026-11-24T12:00:00Z")


async def test_all_items_are_listed(world, name, kubeconfig):
    world.apply(name, quantity=1)
    async with open_api("default", kubeconfig) as api:
        pages = [page async for page in api.pages()]
        names = {body["metadata"]["name"] for bodies, _ in pages for body in bodies}
        assert name in names


async def test_a_list_can_be_required_to_be_no_older_than_a_version(world, name, kubeconfig):
    for number in range(3):
        world.apply(f"{name}-{number}", quantity=1)
    version = int(world.read(f"{name}-2")["metadata"]["resourceVersion"])
    async with open_api("default", kubeconfig) as api:
        pages = [page async for page in api.pages(1, not_before=version)]
    names = {body["metadata"]["name"] for bodies, _ in pages for body in bodies}
    assert names >= {f"{name}-{number}" for number in range(3)}
    assert len(pages) >= 3, "in pages, also from memory"
    assert {list_version >= version for _, list_version in pages} == {True}
