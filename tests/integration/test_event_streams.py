"""Event streams through the gateway: changes are sent in order, once, also to clients that were disconnected."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from contract import check_response
from event_stream import EventStream, fields, open_stream
from program import Program, running
from shop import NO_ORDER, Shop, database
from waiting import until

from local_system import System
from local_system.checks import PLAIN_HTTP
from reservaestoque.streams import old_changes

pytestmark = pytest.mark.integration

WAIT = {"Prefer": "wait=10"}


async def order(shop: Shop, cliente: str, sku: str, wait: int = 10) -> dict[str, Any]:
    body = {"clienteId": cliente, "itens": [{"sku": sku, "quantidade": 1}]}
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return (await shop.client.post("/pedidos", json=body, headers=headers)).raise_for_status().json()


def new_customer() -> str:
    return f"cliente-{uuid4()}"


async def test_a_stream_of_one_order_has_its_events_and_ends_with_it(shop: Shop):
    await shop.declare("E-A", 5)
    pedido = await order(shop, "ana", "E-A")
    url = f"/pedidos/{pedido['pedidoId']}/eventos"
    async with open_stream(shop.client, url) as stream:
        first = await stream.next_event()
        assert first == ("status", "1", pedido)
        assert stream.retry == 2000
        closed = (await shop.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=WAIT)).json()
        assert await stream.until_end() == [("status", "2", closed)]
    assert closed["status"] == "Fechado"
    for last in ("2", "3"):
        response = await shop.client.get(url, headers={"Last-Event-ID": last})
        assert (response.status_code, response.content) == (204, b""), "a client that reconnects is told to stop"
    async with open_stream(shop.client, url) as stream:
        assert await stream.until_end() == [("status", "2", closed)]


async def test_an_order_that_is_still_undecided_is_followed_from_its_creation(shop: Shop, system: System):
    await shop.declare("E-B", 5)
    await asyncio.to_thread(system.stop, "estoque")
    try:
        pedido = await order(shop, "ana", "E-B", wait=0)
        async with open_stream(shop.client, f"/pedidos/{pedido['pedidoId']}/eventos") as stream:
            assert await stream.next_event() == ("status", "0", pedido)
            await asyncio.to_thread(system.start, "estoque")
            event = await stream.next_event()
            assert (event.id, event.data["status"]) == ("1", "EstoqueReservado")
    finally:
        await asyncio.to_thread(system.start, "estoque")


async def test_a_stream_of_one_order_resumes_after_the_version_that_was_seen(shop: Shop):
    await shop.declare("E-C", 5)
    pedido = await order(shop, "ana", "E-C")
    async with open_stream(shop.client, f"/pedidos/{pedido['pedidoId']}/eventos", since="1") as stream:
        await shop.client.post(f"/pedidos/{pedido['pedidoId']}/cancelar", headers=WAIT)
        assert [(e.id, e.data["status"]) for e in await stream.until_end()] == [("2", "Cancelado")]
    async with open_stream(shop.client, f"/pedidos/{pedido['pedidoId']}/eventos", since="1") as stream:
        assert [e.id for e in await stream.until_end()] == ["2"], "a client that was disconnected receives it too"


async def test_a_customers_list_has_their_orders_only(shop: Shop):
    await shop.declare("E-D", 50)
    ana, bia = new_customer(), new_customer()
    async with (
        open_stream(shop.client, "/pedidos/eventos", clienteId=ana) as hers,
        open_stream(shop.client, "/pedidos/eventos") as everything,
    ):
        de_ana = await order(shop, ana, "E-D")
        de_bia = await order(shop, bia, "E-D")
        other_of_ana = await order(shop, ana, "E-D")
        events = await hers.events(4)
        assert [(e.data["pedidoId"], e.data["status"], e.data["versao"]) for e in events] == [
            (de_ana["pedidoId"], "Criado", 0),
            (de_ana["pedidoId"], "EstoqueReservado", 1),
            (other_of_ana["pedidoId"], "Criado", 0),
            (other_of_ana["pedidoId"], "EstoqueReservado", 1),
        ]
        fields = ("pedidoId", "clienteId", "status", "versao", "atualizadoEm", "expiraEm")
        assert events[1].data == {field: de_ana[field] for field in fields}
        seen = {e.data["pedidoId"] for e in await everything.events(6)}
        assert seen == {p["pedidoId"] for p in (de_ana, de_bia, other_of_ana)}


async def test_a_client_that_was_disconnected_misses_nothing_and_gets_nothing_twice(shop: Shop):
    await shop.declare("E-E", 500)
    cliente, total = new_customer(), 60
    doing = []
    seen: list[tuple[str, int]] = []
    async with open_stream(shop.client, "/pedidos/eventos", clienteId=cliente) as stream:
        doing = [asyncio.create_task(order(shop, cliente, "E-E", wait=n % 2 * 10)) for n in range(total)]
        seen += [(e.data["pedidoId"], e.data["versao"]) for e in await stream.events(25)]
        last = stream.last_id
    while len(seen) < 2 * total:  # disconnects again and again, while orders continue
        async with open_stream(shop.client, "/pedidos/eventos", since=last, clienteId=cliente) as stream:
            seen += [(e.data["pedidoId"], e.data["versao"]) for e in await stream.events(19)]
            last = stream.last_id
    pedidos = [p["pedidoId"] for p in await asyncio.gather(*doing)]
    assert sorted(seen) == sorted((pedido, versao) for pedido in pedidos for versao in (0, 1))


async def test_every_replica_streams_what_any_of_them_received(shop: Shop, system: System):
    await shop.declare("E-F", 50)
    cliente = new_customer()
    one, other = system.program_url("pedidos-1"), system.program_url("pedidos-2")
    async with (
        open_stream(shop.client, f"{one}/pedidos/eventos", clienteId=cliente) as on_one,
        open_stream(shop.client, f"{other}/pedidos/eventos", clienteId=cliente) as on_other,
    ):
        pedidos = [await order(shop, cliente, "E-F") for _ in range(5)]
        heard = [[(e.id, e.data) for e in await stream.events(10)] for stream in (on_one, on_other)]
        assert heard[0] == heard[1]
    for pedido in pedidos:
        async with (
            open_stream(shop.client, f"{one}/pedidos/{pedido['pedidoId']}/eventos", since="1") as on_one,
            open_stream(shop.client, f"{other}/pedidos/{pedido['pedidoId']}/eventos", since="1") as on_other,
        ):
            await shop.client.post(f"/pedidos/{pedido['pedidoId']}/cancelar")
            assert await on_one.until_end() == await on_other.until_end()
    # An id from one replica is valid on the other one too.
    async with open_stream(
        shop.client, f"{other}/pedidos/eventos", since=heard[0][3][0], clienteId=cliente
    ) as stream:
        assert [(e.id, e.data) for e in await stream.events(6)] == heard[0][4:]


async def test_stock_is_sent_once_per_sku_with_the_current_balance(shop: Shop):
    await shop.declare("E-G", 100)
    await shop.declare("E-H", 100)
    async with open_stream(shop.client, "/estoque/eventos") as stream:
        start = (await stream.opened()).last_id
        await asyncio.gather(*[order(shop, "ana", "E-G") for _ in range(20)])
        await order(shop, "ana", "E-H")
        seen = [e async for e in snapshots_until(stream, "E-H", reservado=1)]
        do_g = [e.data for e in seen if e.data["sku"] == "E-G"]
        assert do_g[-1] == await shop.saldo("E-G")
        assert do_g[-1]["disponivel"] == 80
        assert {e.name for e in seen} == {"saldo"}
    async with open_stream(shop.client, "/estoque/eventos", since=start) as stream:
        after = await stream.events(2)
        assert [e.data for e in after] == [await shop.saldo("E-G"), await shop.saldo("E-H")]
        assert (after[0].id, after[1].id == start) == (start, False), (
            "a batch received in part counts as not received"
        )
        shop.apply("E-G", 120)
        [restocked] = await stream.events(1)
        assert restocked.data["quantidade"] == 120


async def snapshots_until(stream: EventStream, sku: str, **fields: int) -> AsyncIterator[Any]:
    """The events up to the one that reports this about `sku`."""
    while event := await stream.next_event():
        yield event
        if event.data["sku"] == sku and fields.items() <= event.data.items():
            return


async def test_a_deleted_item_is_reported_as_no_longer_offered(shop: Shop, system: System):
    await shop.declare("E-I", 1)
    async with open_stream(shop.client, "/estoque/eventos") as stream:
        await stream.opened()
        await asyncio.to_thread(system.kubectl, "delete", "stockitem", "e-i")
        while (event := await stream.next_event()).name != "encerrado":
            pass
        assert event.data == {"sku": "E-I"}


async def test_an_idle_stream_sends_heartbeats_and_its_id_advances_past_events_for_others(shop: Shop):
    await shop.declare("E-J", 5)
    pedido = await order(shop, "ana", "E-J")
    async with (
        open_stream(shop.client, "/pedidos/eventos", clienteId=new_customer()) as listing,
        open_stream(shop.client, f"/pedidos/{pedido['pedidoId']}/eventos", since="1") as one_order,
        open_stream(shop.client, "/estoque/eventos") as estoque,
    ):
        before = (await listing.opened()).last_id
        await order(shop, "somebody else", "E-J")
        await listing.until_heartbeat(before)
        await one_order.until_heartbeat()
        assert [e.data["sku"] for e in await estoque.events(1)] == ["E-J"]
        await estoque.until_heartbeat()


async def purge(system: System, service: str) -> None:
    """Purges as retention would a day later."""
    async with database(system, service) as pool:
        await pool.execute("select pg_sleep(0.005)")
        await old_changes(pool, age=timedelta()).step()


@pytest.mark.parametrize(("service", "url"), [("pedidos", "/pedidos/eventos"), ("estoque", "/estoque/eventos")])
async def test_an_id_that_is_too_old_is_refused_as_such(shop: Shop, system: System, service: str, url: str):
    async with open_stream(shop.client, url) as stream:
        old = (await stream.opened()).last_id
    await shop.declare(f"E-L-{service.upper()}", 5)
    await order(shop, "ana", f"E-L-{service.upper()}")

    async def refused() -> httpx.Response | None:
        # A row stays while it is the newest one below every running transaction.
        await purge(system, service)
        async with shop.client.stream("GET", url, headers={"Last-Event-ID": old}) as response:
            if response.status_code == httpx.codes.OK:
                return None
            await response.aread()
            return response

    response = await until(refused)
    problem = response.json()
    assert response.status_code == problem["status"] == 410
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"].endswith("/problemas/posicao-perdida")
    assert "begin without Last-Event-ID" in problem["detail"]
    async with open_stream(shop.client, url) as stream:
        new = (await stream.opened()).last_id
    async with open_stream(shop.client, url, since=new):
        pass


@pytest.mark.parametrize(
    ("url", "last", "status", "sentence"),
    [
        ("/pedidos/eventos", "garbage", 400, "three numbers"),
        ("/pedidos/eventos", "-1.0.0", 400, "three numbers"),
        ("/pedidos/eventos", f"{10**17}.1.0", 410, "another database"),
        ("/estoque/eventos", "1", 400, "three numbers"),
        ("/estoque/eventos", f"{10**17}.1.0", 410, "another database"),
        ("{pedido}", "1.1.1", 400, "versao"),
        ("{pedido}", "9" * 2000, 400, "versao"),
        ("{pedido}", "7", 410, "no version 7"),
        (f"/pedidos/{NO_ORDER}/eventos", "", 404, "no order"),
        ("/pedidos/garbage/eventos", "", 404, "no order"),
    ],
)
async def test_impossible_ids_are_refused_with_an_explanation(
    shop: Shop, url: str, last: str, status: int, sentence: str
):
    if url == "{pedido}":
        await shop.declare("E-M", 50)
        url = f"/pedidos/{(await order(shop, 'ana', 'E-M'))['pedidoId']}/eventos"
    response = await shop.client.get(url, headers={"Last-Event-ID": last} if last else {})
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert sentence in response.json()["detail"]


@pytest.mark.parametrize("url", ["/pedidos/eventos", f"/pedidos/{NO_ORDER}/eventos", "/estoque/eventos"])
async def test_other_methods_are_refused_by_the_service(shop: Shop, url: str):
    response = await shop.client.post(url)
    assert (response.status_code, response.json()["type"].rpartition("/")[2]) == (405, "metodo-nao-permitido")


class SlowReader:
    """A client that has requested a stream and does not read it."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader

    async def ids(self) -> list[str]:
        """Finally reads. Returns the ids of all events up to the proper end of the stream, an empty chunk.

        A block without data is only a position: a reader that is still catching up has one at the end of each page.
        """
        text = b""
        async with asyncio.timeout(30):
            while size := int(await self.reader.readline(), 16):
                text += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
        blocks = [fields(block.splitlines()) for block in text.decode().split("\n\n")]
        return [block["id"] for block in blocks if "data" in block]


@asynccontextmanager
async def slow_reader(url: str, path: str) -> AsyncIterator[SlowReader]:
    address = httpx.URL(url)
    with socket.socket() as socket_:
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)  # or the kernel would read for it
        socket_.connect((address.host, address.port))
        reader, writer = await asyncio.open_connection(sock=socket_, limit=1024)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        try:
            yield SlowReader(reader)
        finally:
            writer.transport.abort()


async def note_many(system: System, rows: int) -> None:
    """Rows of the log as busy minutes would write them, 200 orders each; no order is touched."""
    async with database(system, "pedidos") as pool:
        for _ in range(rows):
            await pool.execute(
                """insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
                   select array_agg(gen_random_uuid()), array_agg('many'::text), array_agg('Fechado'::text),
                       array_agg(2), array_agg(agora()), array_agg(null::timestamptz)
                   from generate_series(1, 200)"""
            )


async def test_a_stuck_reader_does_not_slow_others_is_cut_off_and_can_resume(shop: Shop, system: System):
    url, seen = system.program_url("pedidos-1"), list[str]()
    async with (
        slow_reader(url, "/pedidos/eventos?clienteId=many") as stopped,
        open_stream(shop.client, f"{url}/pedidos/eventos", clienteId="many") as fast_system,
    ):
        await fast_system.opened()
        for _ in range(15):
            await note_many(system, 20)
            seen += [e.id for e in await fast_system.events(20 * 200)]
        assert len(set(seen)) == 15 * 20 * 200
        received = await stopped.ids()
    assert received == seen[: len(received)]
    assert len(received) < len(seen), "it was cut off, so the test is meaningful"
    async with open_stream(shop.client, f"{url}/pedidos/eventos", since=received[-1], clienteId="many") as stream:
        assert [e.id for e in await stream.events(len(seen) - len(received))] == seen[len(received) :]


async def test_streams_end_cleanly_when_the_service_stops_and_continue_at_another_replica(shop: Shop, system: System):
    await shop.declare("E-N", 50)
    cliente = new_customer()
    pedido = await order(shop, "ana", "E-N")
    one = system.program_url("pedidos-1")
    async with (
        slow_reader(one, "/pedidos/eventos?clienteId=many"),
        open_stream(shop.client, f"{one}/pedidos/eventos", clienteId=cliente) as listing,
        open_stream(shop.client, f"{one}/pedidos/{pedido['pedidoId']}/eventos", since="1") as one_order,
    ):
        await listing.opened()
        await note_many(system, 300)  # now one client is stuck as well
        stopping = asyncio.create_task(asyncio.to_thread(system.stop, "pedidos-1"))
        assert await listing.until_end() == []
        assert await one_order.until_end() == []
        await stopping
    try:
        assert "Finished server process" in system.log("pedidos-1").rpartition("Shutting down")[2]
        done = await order(shop, cliente, "E-N")
        async with open_stream(shop.client, "/pedidos/eventos", since=listing.last_id, clienteId=cliente) as stream:
            assert [e.data["pedidoId"] for e in await stream.events(2)] == [done["pedidoId"]] * 2
    finally:
        await asyncio.to_thread(system.start, "pedidos-1")
    for part in ("estoque-1", "estoque-2"):
        async with open_stream(shop.client, f"{system.program_url(part)}/estoque/eventos") as estoque:
            stopping = asyncio.create_task(asyncio.to_thread(system.restart, part))
            await estoque.until_end()
            await stopping


async def test_streams_outlive_their_database(shop: Shop, system: System):
    await shop.declare("E-O", 50)
    cliente = new_customer()
    pedido = await order(shop, cliente, "E-O")
    async with (
        open_stream(shop.client, "/pedidos/eventos", clienteId=cliente) as listing,
        open_stream(shop.client, f"/pedidos/{pedido['pedidoId']}/eventos", since="1") as one_order,
        open_stream(shop.client, "/estoque/eventos") as estoque,
    ):
        for stream in (listing, estoque):
            await stream.opened()
        for part in ("postgres-pedidos", "postgres-estoque"):
            await asyncio.to_thread(system.kill, part)
            await asyncio.to_thread(system.wait_ready, part)

        async def closed() -> bool:
            return (await shop.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=WAIT)).is_success

        await until(closed)
        assert [e.data["status"] for e in await listing.events(1)] == ["Fechado"]
        assert [e.data["status"] for e in await one_order.until_end()] == ["Fechado"]
        while (event := await estoque.next_event()).data["sku"] != "E-O":
            pass
        assert event.data["vendido"] == 1


@pytest.mark.parametrize(
    ("service", "paths"),
    [("pedidos", ["/pedidos/eventos", "/pedidos/{pedido_id}/eventos"]), ("estoque", ["/estoque/eventos"])],
)
async def test_openapi_describes_the_streams(shop: Shop, service: str, paths: list[str]):
    document = (await shop.client.get(f"/schema/{service}/openapi.json")).raise_for_status().json()
    for path in paths:
        operation = document["paths"][path]["get"]
        assert "text/event-stream" in operation["responses"]["200"]["content"]
        assert "`status`" in json.dumps(operation) or "`saldo`" in json.dumps(operation)
        assert {"410", "503"} <= operation["responses"].keys()
        assert "Last-Event-ID" in [p["name"] for p in operation["parameters"]]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=100)
    hooks = {"response": [check_response]}
    async with httpx.AsyncClient(
        trust_env=False, verify=PLAIN_HTTP, limits=limits, timeout=60, event_hooks=hooks
    ) as client:
        yield client


async def change_skus(system: System, skus: int) -> None:
    async with database(system, "estoque") as pool:
        await pool.execute(
            """insert into estoque (sku, nome, alvo, quantidade, dono)
               select 'SKU-' || n, 'Produto ' || n, 1, 1, 'a/' || n from generate_series(1, $1) n
               on conflict do nothing""",
            skus,
        )


@pytest.mark.usefixtures("pedidos_db", "estoque_db")
@pytest.mark.parametrize(
    ("service", "path", "change", "many"),
    [
        ("pedidos", "/pedidos/eventos", note_many, 20),
        ("estoque", "/estoque/eventos", change_skus, 5000),
    ],
)
async def test_streams_that_have_caught_up_keep_no_events_in_memory(
    backing: System,
    client: httpx.AsyncClient,
    service: str,
    path: str,
    change: Callable[[System, int], Awaitable[None]],
    many: int,
    tmp_path: Path,
):
    async def gauge(name: str) -> float:
        metrics = (await client.get(program.metrics_url)).text
        return float(re.findall(rf"^{name} (.*)", metrics, re.M)[0])

    await change(backing, 1)  # an empty log has no position to start from
    env = {**backing.service_env(service), "MAX_STREAMS_PER_CLIENT": "100"}
    async with running(service, tmp_path / "log", **env) as program:
        url, streams = f"{program.url}{path}", list[EventStream]()  # unreferenced streams would be closed
        async with open_stream(client, url) as stream:
            start = (await stream.opened()).last_id
        await change(backing, many)
        async with open_stream(client, url) as stream:
            end = (await stream.opened()).last_id

        async def resume(stack: AsyncExitStack) -> None:
            stream = await stack.enter_async_context(open_stream(client, url, since=start))
            streams.append(stream)
            while stream.last_id != end:
                await stream.read_block()

        async with AsyncExitStack() as stack:
            await resume(stack)  # allocates what the process needs once, however many streams there are
            before = await gauge("process_resident_memory_bytes")
            for _ in range(60):
                await resume(stack)
            assert await gauge("streams_open") == len(streams) == 61
            assert (await gauge("process_resident_memory_bytes") - before) / 60 < 100 * 1024


@pytest.fixture
async def narrow(backing: System, pedidos_db: object, tmp_path: Path) -> AsyncIterator[Program]:
    """A pedidos that allows three streams."""
    env = {**backing.service_env("pedidos"), "MAX_STREAMS": "3"}
    async with running("pedidos", tmp_path / "log", **env) as program:
        yield program


async def test_more_streams_than_allowed_are_refused_until_one_ends(narrow: Program, client: httpx.AsyncClient):
    url = f"{narrow.url}/pedidos/eventos"
    async with open_stream(client, url), open_stream(client, url), open_stream(client, url):
        response = await client.get(url)
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        assert "3 event streams" in response.json()["detail"]

    async def metrics() -> str:
        return (await client.get(narrow.metrics_url)).text

    async def all_closed() -> bool:
        return "streams_open 0.0" in await metrics()

    await until(all_closed)
    assert "streams_refused_total 1.0" in await metrics()
    assert 'path="/pedidos/eventos"' not in await metrics(), "its duration says nothing about our speed"


async def test_of_many_streams_requested_at_once_only_the_allowed_number_is_opened(
    narrow: Program, client: httpx.AsyncClient
):
    responses: list[int] = []
    all_of_them = asyncio.Event()

    async def order_one() -> None:
        async with client.stream("GET", f"{narrow.url}/pedidos/eventos") as response:
            responses.append(response.status_code)
            await all_of_them.wait()

    async def answered() -> bool:
        return len(responses) == 20

    ordering = [asyncio.create_task(order_one()) for _ in range(20)]
    await until(answered)
    all_of_them.set()
    await asyncio.gather(*ordering)
    assert sorted(responses) == [200] * 3 + [503] * 17
