"""Dead letters of the running system, as a person handles them with `make dlq`: viewed, replayed, discarded."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest
from commands import cancelar
from shop import Shop, database
from waiting import until

from local_system import System
from reservaestoque.events import CloudEvent, encode_batches

pytestmark = pytest.mark.integration


def dlq(system: System, *words: str) -> str:
    """The output of `python -m local_system dlq ...`, which `make dlq` runs."""
    done = subprocess.run(
        [sys.executable, "-m", "local_system", "dlq", *words],
        env={**os.environ, "LOCAL_DIR": str(system.layout.state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def letters(system: System, queue: str, reason: str) -> list[dict[str, Any]]:
    """The letters with this in their reason; none when there are none."""
    if reason not in dlq(system, "list", "--queue", queue):
        return []
    return json.loads(dlq(system, "show", queue, "--reason", reason))


async def publish(system: System, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(system.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)


async def send(system: System, event: CloudEvent) -> None:
    [(_, body)] = encode_batches([event])
    await publish(system, "estoque.pedidos", body)


async def test_poison_is_shown_and_returns_with_its_reason_when_it_is_replayed(shop: Shop, system: System):
    garbage = {"type": "Never", "id": "garbage-1", "subject": "nobody"}
    await publish(system, "estoque.pedidos", json.dumps([garbage]).encode())

    async def separated() -> list[dict[str, Any]]:
        return letters(system, "estoque.pedidos", "Never")

    [letter] = await until(separated)
    assert letter["body"] == [garbage]
    assert "garbage-1" in dlq(system)

    assert dlq(system, "replay", "estoque.pedidos", "--id", "garbage-1").splitlines()[-1] == "1 replayed"
    [returned] = await until(separated)
    assert returned["body"] == [garbage]
    assert returned["reason"] == letter["reason"]
    dlq(system, "discard", "estoque.pedidos", "--id", "garbage-1", "--yes")
    assert "garbage-1" not in dlq(system)


@pytest.fixture
def unwatched(shop: Shop, system: System) -> Iterator[None]:
    """Without `conferir`, which would report intentional damage that lasts more than ten seconds.

    It is back before `shop` checks its counters.
    """
    system.stop("conferir")
    yield
    system.start("conferir")


@pytest.mark.usefixtures("unwatched")
async def test_letters_whose_cause_has_passed_succeed_when_replayed(shop: Shop, system: System):
    """pedidos has lost an order, as after a restore, and receives its snapshot before the order is back."""
    await shop.declare("CM-A", 5)
    pedido_id = (await shop.order(**{"CM-A": 2})).json()["pedidoId"]
    async with database(system, "pedidos") as pedidos:
        kept = await pedidos.fetchval(
            "with gone as (delete from pedido where id = $1 returning *) select to_jsonb(gone)::text from gone",
            pedido_id,
        )
        await send(system, cancelar(pedido_id))

        async def separated() -> list[dict[str, Any]]:
            return letters(system, "pedidos.status", pedido_id)

        [letter] = await until(separated)
        assert letter["reason"].startswith("PedidoDesconhecido")
        await pedidos.execute("insert into pedido select * from jsonb_populate_record(null::pedido, $1)", kept)
    assert await shop.status(pedido_id) == "EstoqueReservado"

    assert dlq(system, "replay", "pedidos.status", "--reason", pedido_id).splitlines()[-1] == "1 replayed"

    async def cancelado() -> bool:
        return await shop.status(pedido_id) == "Cancelado"

    await until(cancelado)
    assert letters(system, "pedidos.status", pedido_id) == []


def test_the_command_reports_that_no_system_is_running(tmp_path_factory: pytest.TempPathFactory):
    empty = tmp_path_factory.mktemp("empty")
    done = subprocess.run(
        [sys.executable, "-m", "local_system", "dlq"],
        env={**os.environ, "LOCAL_DIR": str(empty)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"error: nothing runs in {empty}; start it with `make up`\n"
