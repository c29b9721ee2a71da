from pathlib import Path

import pytest

from bench.shop import BenchError, Shop
from local_system import Config, Ports, System, rabbitmq


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (None, "after 0 s orders are still in flight"),
        ("RabbitMQ lacks memory", "after 0 s orders are still in flight: RabbitMQ lacks memory"),
    ],
)
def test_orders_still_in_flight_are_reported_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None, message: str
) -> None:
    shop = Shop(System(Config(state=tmp_path / "state", ports=Ports.free())), tmp_path / "work")
    monkeypatch.setattr(shop, "pending", lambda: 1)
    monkeypatch.setattr(rabbitmq, "blocked", lambda _: reason)
    with pytest.raises(BenchError) as error:
        shop.drain(seconds=0)
    assert str(error.value) == message
