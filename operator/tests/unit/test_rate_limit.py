from operador.memory.rate_limit import BURST, INTERVAL, RateLimit


def test_single_changes_are_written_at_once():
    limit, now = RateLimit(), 1000.0
    for _ in range(100):
        assert limit.delay(now) == 0
        limit = limit.spend(now)
        now += INTERVAL


def test_a_busy_item_is_written_every_few_seconds():
    limit, now, writes = RateLimit(), 1000.0, 0
    for _ in range(600):  # a change each 0.1 s for a minute
        if limit.delay(now) == 0:
            limit, writes = limit.spend(now), writes + 1
        now += 0.1
    assert BURST <= writes <= BURST + 60 / INTERVAL


def test_the_last_change_waits_no_longer_than_the_interval():
    limit = RateLimit()
    for _ in range(int(BURST)):
        limit = limit.spend(1000.0)
    assert limit.delay(1000.0) == INTERVAL
    assert limit.delay(1000.0 + INTERVAL) == 0
