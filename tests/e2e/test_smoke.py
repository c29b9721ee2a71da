"""The tests of the local system (tests/support/journey.py), on the cluster, through the gateway's address."""

import pytest
from cluster import Installation
from journey import (  # noqa: F401
    test_a_lapsed_reservation_is_reported_and_its_units_return,
    test_a_stock_item_that_is_applied_becomes_synced,
    test_an_order_is_reserved_and_its_units_are_held,
    test_an_order_that_lacks_one_item_holds_nothing_and_names_it,
    test_close_sells_the_units_and_is_final,
)

pytestmark = pytest.mark.smoke


def test_helm_test_passes(installed: Installation):
    assert "Phase:          Succeeded" in installed.helm("test", "loja", "--timeout", "3m")


def test_dead_letters_can_be_viewed_in_a_pod(installed: Installation):
    for service in ("pedidos", "estoque"):
        seen = installed.kubectl("exec", f"deploy/{service}", "--", "python", "-m", "reservaestoque.dlq", "list")
        assert "estoque.pedidos" in seen
