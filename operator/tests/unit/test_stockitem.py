from stock_item_factory import NOW, item, saldo

from operador.cluster.finalizer import with_finalizer, without_finalizer
from operador.decide.conditions import status_from_saldo
from operador.decide.outcome import Outcome
from operador.decide.stockitem import FINALIZER, ItemKey, read_item, read_status, status_body

META = {"namespace": "loja", "name": "camiseta-m", "uid": "u", "resourceVersion": "12", "generation": 2}


def test_the_name_is_the_sku_unless_the_spec_gives_one():
    assert read_item({"metadata": META, "spec": {"name": "Camiseta", "quantity": 1}}).sku == "camiseta-m"
    assert read_item({"metadata": META, "spec": {"sku": "C", "name": "Camiseta", "quantity": 1}}).sku == "C"


def test_everything_is_read():
    meta = {**META, "finalizers": ["a", FINALIZER], "deletionTimestamp": NOW}
    spec = {"name": "Camiseta", "quantity": 7, "paused": True, "lowStockThreshold": 0}
    read = read_item({"metadata": meta, "spec": spec})
    assert (read.key, read.key.dono) == (ItemKey("loja", "camiseta-m"), "loja/camiseta-m")
    assert (read.version, read.generation, read.quantidade, read.paused, read.limite_baixo) == (12, 2, 7, True, 0)
    assert (read.deleting, read.ending, read.finalized) == (True, True, True)


def test_a_status_survives_a_round_trip():
    status = status_from_saldo(item(), saldo(), Outcome.SYNCED, None, NOW)
    assert read_status({"status": status_body(status, NOW)}) == status


def test_a_status_without_numbers_removes_the_old_ones():
    status = status_from_saldo(item(), saldo(dono="other/loja"), Outcome.CONFLICT, None, NOW)
    written = status_body(status, NOW)
    assert written["available"] is None
    assert read_status({"status": {k: v for k, v in written.items() if v is not None}}) == status


def test_an_owner_names_its_item():
    assert ItemKey.from_dono("loja/camiseta-m") == ItemKey("loja", "camiseta-m")
    assert ItemKey.from_dono("nonsense") == ItemKey("nonsense", "")


def test_no_status_yet():
    assert read_status({}) is None
    assert read_status({"status": {}}) is None


def test_our_finalizer_is_added_and_removed_among_those_of_others():
    assert with_finalizer(("a",)) == ("a", FINALIZER)
    assert with_finalizer((FINALIZER, "a")) == (FINALIZER, "a")
    assert without_finalizer(("a", FINALIZER, "b")) == ("a", "b")
