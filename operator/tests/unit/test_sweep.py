import asyncio
from datetime import timedelta

import asyncpg
import pytest
from prometheus_client import REGISTRY
from stock_item_factory import Clock

from operador.stock.sweep import BATCH, PAUSE, Lag, Sweep, pace
from reservaestoque import periodic
from reservaestoque.periodic import Periodic


class Database:
    """Returns these answers one after the other, then zeros."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), 0

    async def sweep(self, limit):
        assert limit == BATCH
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sweep_lag(self):
        return 0.0


def sweep(database):
    return Sweep(database, Lag(Clock()))


def loop(database, every=timedelta(seconds=0.05)):
    return Periodic(sweep(database).step, name="sweep", pace=pace(every))


async def test_it_has_more_to_do_until_a_batch_is_not_full():
    step = sweep(Database(BATCH, BATCH, 7)).step
    assert [await step() for _ in range(3)] == [True, True, False]


async def test_a_million_lapses_are_swept_in_five_minutes_and_leave_room_for_orders(monkeypatch):
    pauses = []

    async def note(seconds):
        pauses.append(seconds)
        if len(pauses) == 2001:
            raise asyncio.CancelledError

    monkeypatch.setattr(periodic.asyncio, "sleep", note)
    with pytest.raises(asyncio.CancelledError):
        await loop(Database(*[BATCH] * 2000), every=timedelta(seconds=1)).run()
    between = PAUSE.total_seconds()
    assert pauses == [between] * 2000 + [1]
    one_batch = 0.04  # alongside orders, on two cores
    assert 100 < 2000 * between < 300 - 2000 * one_batch


async def test_it_continues_after_an_outage():
    database = Database(ConnectionRefusedError(), asyncpg.AdminShutdownError(), 3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await loop(database).run()
    assert database.calls > 3


async def test_a_bug_is_not_hidden():
    with pytest.raises(asyncpg.CheckViolationError):
        await loop(Database(asyncpg.CheckViolationError())).run()


async def test_the_lag_is_the_last_measurement_and_grows_until_the_next_one():
    clock = Clock()
    lag = Lag(clock)
    clock.now += 2
    assert lag.seconds() == 2, "counted from the start, before the first look"
    lag.measured(7.5)
    assert lag.seconds() == 7.5
    clock.now += 30
    assert lag.seconds() == 37.5
    lag.measured(0)
    assert lag.seconds() == 0


async def test_the_lag_is_a_metric():
    clock = Clock()
    await Sweep(Database(3), Lag(clock)).step()
    assert REGISTRY.get_sample_value("operador_sweep_lag_seconds") == 0
    clock.now += 4
    assert REGISTRY.get_sample_value("operador_sweep_lag_seconds") == 4
