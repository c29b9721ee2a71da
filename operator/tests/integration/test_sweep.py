"""The expiry loop against a real PostgreSQL."""

import time

import pytest
from operator_world import manifest

pytestmark = pytest.mark.integration

LAG = "operador_sweep_lag_seconds"


def test_ten_thousand_reservations_that_lapse_within_a_second_are_swept_within_ten(world, name, until):
    world.apply_list([manifest(f"{name}-{n}", quantity=2000) for n in range(10)])
    until(lambda: world.synced(name), 10)
    world.reservar_many(name, 10_000, items=10)
    assert world.live_lines(name) == 10_000
    world.lapse(name)
    time.sleep(1)  # now the last one has lapsed
    until(lambda: world.live_lines(name), 0, seconds=10)
    assert world.facts(name) == 10_000, "estoque's outbox reports each once"
    until(lambda: {world.numbers(f"{name}-{n}") for n in range(10)}, {(2000, 0, 0, 2000)})


def test_the_lag_grows_while_nothing_is_swept(world, name, until, start_operator):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    other = start_operator(EXPIRY_INTERVAL="1s")
    other.wait_ready()
    until(lambda: other.metric(LAG) < 3, True)
    world.system.stop("operator")
    try:
        pedido = world.reservar(name, 1, ttl=0.5)
        with world.order_locked(pedido):
            until(lambda: other.metric(LAG) > 3, True)
            assert world.pedido(pedido) == "EstoqueReservado"
        until(lambda: world.pedido(pedido), "ReservaExpirada", seconds=4)
        until(lambda: other.metric(LAG) < 3, True)
        world.system.stop("postgres-estoque")
        try:
            until(lambda: other.metric(LAG) > 4, True)
        finally:
            world.system.start("postgres-estoque")
        until(lambda: other.metric(LAG) < 3, True, seconds=15)
    finally:
        world.system.start("operator")
