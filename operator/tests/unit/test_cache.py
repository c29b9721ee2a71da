import pytest
from msgspec.structs import replace
from stock_item_factory import item

from operador.decide.stockitem import ItemKey, Status
from operador.memory.cache import Cache, CachedItem, needs_sync

STATUS = Status("CAMISETA", 3, ())
OTHER = Status("CAMISETA", 3, (), disponivel=1)

TABLE = [
    ("never seen", None, item(), None, True),
    ("our own status write", item(), item(version=11), STATUS, False),
    ("a changed label", item(), item(version=11), STATUS, False),
    ("a new spec", item(), item(version=11, generation=4), STATUS, True),
    ("another object of that name", item(), item(version=11, uid="uid-2"), STATUS, True),
    ("our finalizer was added", item(finalizers=()), item(version=11), STATUS, False),
    ("our finalizer was removed", item(), item(version=11, finalizers=()), STATUS, True),
    ("deletion", item(), item(version=11, deleting=True), STATUS, True),
    ("a status changed by hand", item(), item(version=11), OTHER, True),
    ("released, others' finalizers keep it", item(deleting=True), item(version=11, deleting=True, finalizers=()),
     STATUS, False),
]  # fmt: skip


@pytest.mark.parametrize(("before", "now", "status", "yes"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
def test_which_changes_need_a_sync(before, now, status, yes):
    cached = None if before is None else CachedItem(before, STATUS)
    assert needs_sync(cached, now, status) is yes


def test_older_versions_are_ignored():
    cache = Cache()
    assert cache.observe(item(version=20, quantidade=5), STATUS)
    assert not cache.observe(item(version=19, generation=9), STATUS)
    assert cache.get(ItemKey("loja", "camiseta")).item.quantidade == 5


def test_a_list_that_is_older_than_the_deletion_brings_nothing_back():
    cache = Cache()
    cache.observe(item(version=20), STATUS)
    assert cache.remove(item(version=30)) == [item(version=30, gone=True)]
    assert not cache.observe(item(version=20), STATUS)
    assert len(cache) == 0
    assert cache.observe(item(version=31, uid="uid-2"), None), "a new one of that name is a different object"


def test_a_late_deletion_does_not_touch_the_successor():
    cache = Cache()
    cache.observe(item(version=31, uid="uid-2"), None)
    assert cache.remove(item(version=30)) == []
    assert len(cache) == 1


def test_a_successor_with_another_sku_leaves_the_old_one_to_be_released():
    cache = Cache()
    cache.observe(item(version=31, uid="uid-2", sku="OTHER"), None)
    old = item(version=30)
    assert cache.remove(old) == [replace(old, gone=True)]
    assert len(cache) == 1


def test_a_sku_is_contested_while_a_stockitem_waits_for_it():
    cache = Cache()
    waiting = item()
    cache.observe(waiting, None)
    assert cache.contested() == []
    cache.wait_for_sku(waiting)
    assert cache.contested() == [waiting.sku]
    cache.remove(waiting)
    assert cache.contested() == []
