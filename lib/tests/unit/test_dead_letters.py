"""What the log says about a dead letter."""

import json

import pytest

from reservaestoque.bus.dead_letters import orders_in
from reservaestoque.events import new_id
from reservaestoque.telemetry.logs import MAX_IDS


def test_the_first_orders_are_named():
    ids = [str(new_id()) for _ in range(MAX_IDS + 1)]
    assert orders_in(json.dumps([{"subject": one, "data": {}} for one in ids]).encode()) == ids[:MAX_IDS]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'[{"subject": "ana"}]', b"\xff", b"[" * 100_000])
def test_garbage_names_no_orders(body: bytes):
    assert orders_in(body) == []
