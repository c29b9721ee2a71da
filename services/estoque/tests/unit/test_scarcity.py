"""The hint about scarce SKUs."""

from estoque.scarcity import MAX_SKUS, MEMORY_BATCHES, Scarcity


def test_a_batch_that_names_a_scarce_sku_is_affected():
    scarcity = Scarcity()
    assert not scarcity.affects({"A", "B"})
    scarcity.add(["B"])
    assert scarcity.affects({"A", "B"})
    assert not scarcity.affects({"A"})


def test_a_restocked_sku_is_tried_again_after_some_batches():
    scarcity = Scarcity()
    scarcity.add(["A"])
    affected = [scarcity.affects({"A"}) for _ in range(MEMORY_BATCHES)]
    assert affected == [True] * (MEMORY_BATCHES - 1) + [False]


def test_any_number_of_invented_skus_takes_little_memory():
    scarcity = Scarcity()
    for n in range(3 * MAX_SKUS):
        scarcity.add([f"invented-{n}"])
        assert len(scarcity._skus) <= MAX_SKUS
    assert scarcity.affects({f"invented-{3 * MAX_SKUS - 1}"})
