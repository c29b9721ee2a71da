import asyncpg
import pytest
from stock_item_factory import item, saldo

from operador.stock.sync import sync


class Database:
    """Refuses every batch that contains a bad item."""

    def __init__(self, bad=(), fault=asyncpg.CheckViolationError):
        self.bad, self.fault, self.calls = set(bad), fault, 0

    async def sync(self, items):
        self.calls += 1
        if self.bad & {i.sku for i in items}:
            raise self.fault("no")
        return {(i.key.dono, i.sku): saldo(sku=i.sku) for i in items}


async def test_a_batch_is_one_call():
    database = Database()
    result = await sync(database, [item(sku=str(n)) for n in range(500)])
    assert (database.calls, len(result.synced), result.rejected) == (1, 500, [])


async def test_a_refused_item_does_not_hold_up_its_neighbours():
    database = Database({"3", "60"})
    result = await sync(database, [item(sku=str(n)) for n in range(100)])
    assert {i.sku for i, _ in result.rejected} == {"3", "60"}
    assert len(result.synced) == 98
    assert database.calls < 40


async def test_an_outage_is_not_blamed_on_an_item():
    with pytest.raises(asyncpg.CannotConnectNowError):
        await sync(Database({"1"}, asyncpg.CannotConnectNowError), [item(sku=str(n)) for n in range(4)])


async def test_an_empty_batch_makes_no_call():
    database = Database()
    assert (await sync(database, [])).synced == []
    assert database.calls == 0


async def test_an_item_whose_row_is_held_does_not_hold_up_its_neighbours():
    database = Database({"3"}, asyncpg.LockNotAvailableError)
    result = await sync(database, [item(sku=str(n)) for n in range(100)])
    assert [i.sku for i in result.blocked] == ["3"]
    assert len(result.synced) == 99


async def test_when_all_rows_are_held_not_every_item_is_tried():
    """Each attempt costs a lock timeout."""
    skus = {str(n) for n in range(500)}
    database = Database(skus, asyncpg.LockNotAvailableError)
    result = await sync(database, [item(sku=sku) for sku in skus])
    assert len(result.blocked) == 500
    assert database.calls < 40
