"""An item, an order, a refused one, a sold one: the tests of a cluster (tests/e2e), on the local system."""

import pytest
from journey import (  # noqa: F401
    test_a_stock_item_that_is_applied_becomes_synced,
    test_an_order_is_reserved_and_its_units_are_held,
    test_an_order_that_lacks_one_item_holds_nothing_and_names_it,
    test_close_sells_the_units_and_is_final,
)

pytestmark = pytest.mark.integration
