"""The program against the real system, as people and scripts run it."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from faulty_gateway import FaultyGateway
from shop import NO_ORDER, Shop

from local_system import System

pytestmark = pytest.mark.integration

SECONDS = 60


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Program:
    """`python -m reserva` with this environment."""

    def __init__(self, **environ: str) -> None:
        self.environ = {"LANG": "pt_BR.UTF-8", "PATH": os.environ["PATH"], "PYTHONUTF8": "1", **environ}
        self.environ |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self.environ["HOME"] = os.environ.get("HOME", "/")

    async def __call__(self, *words: object, **environ: str) -> Done:
        async with self.started(*words, **environ) as process:
            out, err = await asyncio.wait_for(process.communicate(), SECONDS)
        return Done(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def started(self, *words: object, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
        pipe = asyncio.subprocess.PIPE
        argv = [sys.executable, "-m", "reserva", *map(str, words)]
        process = await asyncio.create_subprocess_exec(
            *argv, env={**self.environ, **environ}, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def on_a_terminal(self, *words: object) -> str:
        """The output on a terminal, with colours."""
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *["-m", "reserva", *map(str, words)],
            env={**self.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        reading = asyncio.create_task(asyncio.to_thread(_read_all, master))
        await asyncio.wait_for(process.wait(), SECONDS)
        return await reading


def _read_all(descriptor: int) -> str:
    pieces = []
    try:
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    except OSError:  # the other side is closed
        pass
    os.close(descriptor)
    return b"".join(pieces).decode()


@pytest.fixture
def reserva(system: System, customer: str) -> Program:
    return Program(RESERVA_URL=system.gateway_url, RESERVA_CLIENTE=customer)


async def test_an_order_from_its_creation_to_its_end(shop: Shop, reserva: Program, customer: str, sku: str):
    await shop.declare(sku, 9)
    done = await reserva("pedir", f"{sku}=1", f"{sku}=1", "--esperar=10")
    assert (done.code, done.err) == (0, "")
    [pedido] = done.lines
    assert (pedido["clienteId"], pedido["status"]) == (customer, "EstoqueReservado")
    assert pedido["itens"] == [{"sku": sku, "quantidade": 2}]
    assert pedido.keys() == (await shop.client.get(f"/pedidos/{pedido['pedidoId']}")).json().keys()
    order = pedido["pedidoId"]
    assert (await reserva("fechar", order, "--esperar")).lines[0]["status"] == "Fechado"
    assert (await reserva("pedido", order)).lines[0]["status"] == "Fechado"
    assert [one["pedidoId"] for one in (await reserva("pedidos")).lines] == [order]
    assert (await reserva("pedidos", "--status", "Cancelado")).out == ""
    followed = await reserva("seguir", order)
    assert [one["status"] for one in followed.lines] == ["Fechado"]
    [saldo] = (await reserva("estoque", sku)).lines
    assert (saldo["vendido"], saldo["disponivel"]) == (2, 7)
    done = await reserva("cancelar", order, "--tabela")
    assert done.code == 5
    assert "ended" in done.err
    done = await reserva("cancelar", order)
    assert (done.code, json.loads(done.err)["statusDoPedido"]) == (5, "Fechado")


async def test_missing_items_are_reported_with_their_own_exit_code(shop: Shop, reserva: Program, sku: str):
    await shop.declare(sku, 1)
    done = await reserva("pedir", f"{sku}=3", "NAO-HA=1", "--esperar", "10", "--tabela")
    assert done.code == 3
    assert re.search(rf"{sku} +3 +1 +2 +saldo insuficiente", done.out)
    assert re.search(r"NAO-HA +1 +0 +1 +SKU desconhecido", done.out)
    done = await reserva("estoque", sku, "NAO-HA", "--idioma", "en")
    assert (done.code, [one["sku"] for one in done.lines]) == (4, [sku])
    assert "unknown SKU: NAO-HA" in done.err


async def test_refusals_have_their_own_exit_codes(shop: Shop, reserva: Program, customer: str, sku: str):
    await shop.declare(sku, 5)
    assert (await reserva("pedido", NO_ORDER)).code == 4
    [pedido] = (await reserva("pedir", f"{sku}=1", "--esperar=10", "--chave", "carrinho")).lines
    again = await reserva("pedir", f"{sku}=1", "--esperar=10", "--chave", "carrinho")
    assert [one["pedidoId"] for one in again.lines] == [pedido["pedidoId"]]
    assert (await reserva("pedir", f"{sku}=2", "--chave", "carrinho")).code == 8
    done = await reserva("cancelar", pedido["pedidoId"], NO_ORDER, "--esperar")
    assert (done.code, [one["status"] for one in done.lines]) == (4, ["Cancelado"])
    assert json.loads(done.err)["about"] == NO_ORDER
    assert (await reserva("seguir", "--desde", f"{10**17}.1.0", "--tabela")).code == 8
    assert (await reserva("pedir", f"{sku}=1", RESERVA_CLIENTE="não")).code == 8


async def test_an_undecided_order_has_its_own_exit_code(shop: Shop, reserva: Program, system: System, sku: str):
    await shop.declare(sku, 5)
    await asyncio.to_thread(system.stop, "estoque")
    try:
        done = await reserva("pedir", f"{sku}=1", "--esperar=1")
        assert (done.code, done.lines[0]["status"]) == (10, "Criado")
        assert (await reserva("pedir", f"{sku}=1")).code == 0, "without waiting, no other status is expected"
    finally:
        await asyncio.to_thread(system.start, "estoque")


async def test_what_a_person_sees(shop: Shop, reserva: Program, sku: str):
    await shop.declare(sku, 10)
    seen = await reserva.on_a_terminal("pedir", f"{sku}=2", "--esperar=10")
    assert re.search(r"\x1b\[33mEstoqueReservado\x1b\[0m", seen), "a status has its colour"
    assert re.search(r"vence em 0:0\d", seen)
    seen = await reserva.on_a_terminal("estoque", sku)
    assert re.search(rf"{sku}.* 2 .* 0 .* 10 .*\x1b\[33m▇+.*\x1b\[36m▇+.*Produto {sku}", seen)
    assert '{"' not in seen
    seen = await reserva.on_a_terminal("pedidos", "--json")
    assert seen.startswith('{"pedidoId"')


async def test_changes_are_followed(shop: Shop, reserva: Program, system: System, customer: str, sku: str):
    await shop.declare(sku, 10)
    async with reserva.started("estoque", sku, "--vigiar") as stock, reserva.started("seguir") as orders:

        async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
            assert process.stdout is not None
            text = await asyncio.wait_for(process.stdout.readline(), SECONDS)
            assert text, await (process.stderr.read() if process.stderr else asyncio.sleep(0))
            return json.loads(text)

        assert (await line(stock))["disponivel"] == 10
        statuses: list[str] = []
        while "EstoqueReservado" not in statuses:  # it follows from the moment at which it is connected
            await reserva("pedir", f"{sku}=1", "--esperar=10")
            assert orders.stdout is not None
            try:
                async with asyncio.timeout(5):
                    while "EstoqueReservado" not in statuses:
                        statuses.append(json.loads(await orders.stdout.readline())["status"])
            except TimeoutError:
                continue
        assert (await line(stock))["disponivel"] < 10
        await asyncio.to_thread(system.kubectl, "delete", "stockitem", sku.lower())
        while "encerrado" not in (change := await line(stock)):
            pass
        assert change == {"sku": sku, "encerrado": True}
        orders.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(orders.communicate(), SECONDS)
        assert (orders.returncode, err.decode().strip()) == (130, "interrompido")


async def test_a_token_file_is_sent(shop: Shop, gateway: FaultyGateway, tmp_path: Path, sku: str):
    await shop.declare(sku, 1)
    (tmp_path / "token").write_text("abc.def\n")
    reserva = Program(RESERVA_URL=gateway.url, RESERVA_TOKEN_FILE=str(tmp_path / "token"))
    assert (await reserva("estoque", sku)).code == 0
    assert gateway.received[-1].headers["authorization"] == "Bearer abc.def"
    gateway.faults.append("401")
    done = await reserva("estoque", sku, "--tabela")
    assert done.code == 6
    assert "RESERVA_TOKEN" in done.err


async def test_dead_letters_are_listed_through_the_broker(shop: Shop, reserva: Program, system: System):
    done = await reserva("cartas", "list", AMQP_URL=system.amqp_url)
    assert (done.code, done.err) == (0, "")
    assert "0 letters" in done.out


async def test_skus_are_completed(shop: Shop, reserva: Program, sku: str):
    await shop.declare(sku, 1)
    words = f"reserva pedir {sku[:4]}"
    done = await reserva(_RESERVA_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="2")
    assert f"plain,{sku}=" in done.out.splitlines()


async def test_it_works_as_a_kubectl_plugin(shop: Shop, reserva: Program, system: System, tmp_path: Path, sku: str):
    await shop.declare(sku, 1)
    for name, start in (("kubectl-reserva", "main"), ("kubectl_complete-reserva", "kubectl_complete")):
        (tmp_path / name).write_text(f"#!{sys.executable}\nfrom reserva.__main__ import {start}\n{start}()\n")
        (tmp_path / name).chmod(0o755)

    async def kubectl(*words: str) -> tuple[int, str]:
        env = {**reserva.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(system.kubectl_path, *words, env=env, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
        return process.returncode or 0, (out or err).decode()

    code, out = await kubectl("reserva", "estoque", sku)
    assert (code, json.loads(out)["sku"]) == (0, sku)
    code, out = await kubectl("reserva", "pedir", sku)
    assert (code, "Veja 'kubectl reserva pedir --help'" in out) == (2, True)
    _, out = await kubectl("__complete", "reserva", "pedir", sku[:4])
    assert f"{sku}=" in out.splitlines()
