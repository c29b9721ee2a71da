"""Dead letters of the running system, as a person handles them with `make dlq`: seen, replayed, discarded."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest
from comandos import cancelar
from loja import Loja, ate, banco

from local_system import System
from reservaestoque.events import CloudEvent, encode_batches

pytestmark = pytest.mark.integration


def dlq(sistema: System, *palavras: str) -> str:
    """What `python -m local_system dlq ...` prints, which `make dlq` runs."""
    feito = subprocess.run(
        [sys.executable, "-m", "local_system", "dlq", *palavras],
        env={**os.environ, "LOCAL_DIR": str(sistema.layout.state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert feito.returncode == 0, feito.stderr
    return feito.stdout


def cartas(sistema: System, fila: str, motivo: str) -> list[dict[str, Any]]:
    """The letters with this in their reason; none when there are none."""
    if motivo not in dlq(sistema, "list", "--queue", fila):
        return []
    return json.loads(dlq(sistema, "show", fila, "--reason", motivo))


async def publicar(sistema: System, fila: str, corpo: bytes) -> None:
    async with await aio_pika.connect(sistema.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.default_exchange.publish(aio_pika.Message(corpo), routing_key=fila)


async def mandar(sistema: System, evento: CloudEvent) -> None:
    [(_, corpo)] = encode_batches([evento])
    await publicar(sistema, "estoque.pedidos", corpo)


async def test_poison_is_seen_and_comes_back_with_its_reason_when_it_is_replayed(loja: Loja, sistema: System):
    lixo = {"type": "Nunca", "id": "lixo-1", "subject": "ninguem"}
    await publicar(sistema, "estoque.pedidos", json.dumps([lixo]).encode())

    async def separada() -> list[dict[str, Any]]:
        return cartas(sistema, "estoque.pedidos", "Nunca")

    [carta] = await ate(separada)
    assert carta["body"] == [lixo]
    assert "lixo-1" in dlq(sistema)

    assert dlq(sistema, "replay", "estoque.pedidos", "--id", "lixo-1").splitlines()[-1] == "1 replayed"
    [de_volta] = await ate(separada)
    assert de_volta["body"] == [lixo]
    assert de_volta["reason"] == carta["reason"]
    dlq(sistema, "discard", "estoque.pedidos", "--id", "lixo-1", "--yes")
    assert "lixo-1" not in dlq(sistema)


@pytest.fixture
def unwatched(loja: Loja, sistema: System) -> Iterator[None]:
    """Without `conferir`, which counts what a test breaks on purpose when that takes more than ten seconds.

    It is back before `loja` asks what it has counted.
    """
    sistema.stop("conferir")
    yield
    sistema.start("conferir")


@pytest.mark.usefixtures("unwatched")
async def test_what_was_refused_for_a_cause_that_has_passed_is_done_when_it_is_replayed(loja: Loja, sistema: System):
    """pedidos has lost an order, as after a restore from a backup, and hears of it before it is put back."""
    await loja.declarar("CM-A", 5)
    pedido_id = (await loja.pedir(**{"CM-A": 2})).json()["pedidoId"]
    async with banco(sistema, "pedidos") as pedidos:
        guardado = await pedidos.fetchval(
            "with fora as (delete from pedido where id = $1 returning *) select to_jsonb(fora)::text from fora",
            pedido_id,
        )
        await mandar(sistema, cancelar(pedido_id))

        async def separada() -> list[dict[str, Any]]:
            return cartas(sistema, "pedidos.status", pedido_id)

        [carta] = await ate(separada)
        assert carta["reason"].startswith("PedidoDesconhecido")
        await pedidos.execute("insert into pedido select * from jsonb_populate_record(null::pedido, $1)", guardado)
    assert await loja.status(pedido_id) == "EstoqueReservado"

    assert dlq(sistema, "replay", "pedidos.status", "--reason", pedido_id).splitlines()[-1] == "1 replayed"

    async def cancelado() -> bool:
        return await loja.status(pedido_id) == "Cancelado"

    await ate(cancelado)
    assert cartas(sistema, "pedidos.status", pedido_id) == []


def test_nothing_runs_is_said_in_a_sentence(tmp_path_factory: pytest.TempPathFactory):
    vazio = tmp_path_factory.mktemp("vazio")
    feito = subprocess.run(
        [sys.executable, "-m", "local_system", "dlq"],
        env={**os.environ, "LOCAL_DIR": str(vazio)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert feito.returncode == 1
    assert feito.stderr == f"error: nothing runs in {vazio}; start it with `make up`\n"
