"""Event streams through the gateway: what happens is told, in order, once, also to those who were away."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fluxo import Fluxo, abrir
from loja import NO_ORDER, Loja, abrir_loja, ate, banco

from local_system import Config, Ports, System
from reservaestoque.streams import old_changes

pytestmark = pytest.mark.integration

ESPERA = {"Prefer": "wait=10"}


async def pedir(loja: Loja, cliente: str, sku: str, espera: int = 10) -> dict[str, Any]:
    corpo = {"clienteId": cliente, "itens": [{"sku": sku, "quantidade": 1}]}
    headers = {"Prefer": f"wait={espera}"} if espera else {}
    return (await loja.client.post("/pedidos", json=corpo, headers=headers)).raise_for_status().json()


def novo_cliente() -> str:
    return f"cliente-{uuid4()}"


async def test_an_orders_life_as_events_until_its_end(loja: Loja):
    await loja.declarar("E-A", 5)
    pedido = await pedir(loja, "ana", "E-A")
    url = f"/pedidos/{pedido['pedidoId']}/eventos"
    async with abrir(loja.client, url) as fluxo:
        primeiro = await fluxo.proximo()
        assert primeiro == ("status", "1", pedido)
        assert fluxo.retry == 2000
        fechado = (await loja.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=ESPERA)).json()
        assert await fluxo.ate_o_fim() == [("status", "2", fechado)]
    assert fechado["status"] == "Fechado"
    for ultimo in ("2", "3"):
        resposta = await loja.client.get(url, headers={"Last-Event-ID": ultimo})
        assert (resposta.status_code, resposta.content) == (204, b""), "a client that comes back is told to stop"
    async with abrir(loja.client, url) as fluxo:
        assert await fluxo.ate_o_fim() == [("status", "2", fechado)]


async def test_an_order_that_is_still_undecided_is_followed_from_its_creation(loja: Loja, sistema: System):
    await loja.declarar("E-B", 5)
    await asyncio.to_thread(sistema.stop, "estoque")
    try:
        pedido = await pedir(loja, "ana", "E-B", espera=0)
        async with abrir(loja.client, f"/pedidos/{pedido['pedidoId']}/eventos") as fluxo:
            assert await fluxo.proximo() == ("status", "0", pedido)
            await asyncio.to_thread(sistema.start, "estoque")
            evento = await fluxo.proximo()
            assert (evento.id, evento.dados["status"]) == ("1", "EstoqueReservado")
    finally:
        await asyncio.to_thread(sistema.start, "estoque")


async def test_one_order_goes_on_after_the_version_that_was_seen(loja: Loja):
    await loja.declarar("E-C", 5)
    pedido = await pedir(loja, "ana", "E-C")
    async with abrir(loja.client, f"/pedidos/{pedido['pedidoId']}/eventos", desde="1") as fluxo:
        await loja.client.post(f"/pedidos/{pedido['pedidoId']}/cancelar", headers=ESPERA)
        assert [(e.id, e.dados["status"]) for e in await fluxo.ate_o_fim()] == [("2", "Cancelado")]
    async with abrir(loja.client, f"/pedidos/{pedido['pedidoId']}/eventos", desde="1") as fluxo:
        assert [e.id for e in await fluxo.ate_o_fim()] == ["2"], "who was away meanwhile is told too"


async def test_a_customers_list_has_their_orders_only(loja: Loja):
    await loja.declarar("E-D", 50)
    ana, bia = novo_cliente(), novo_cliente()
    async with (
        abrir(loja.client, "/pedidos/eventos", clienteId=ana) as dela,
        abrir(loja.client, "/pedidos/eventos") as todos,
    ):
        de_ana = await pedir(loja, ana, "E-D")
        de_bia = await pedir(loja, bia, "E-D")
        outro_de_ana = await pedir(loja, ana, "E-D")
        eventos = await dela.eventos(4)
        assert [(e.dados["pedidoId"], e.dados["status"], e.dados["versao"]) for e in eventos] == [
            (de_ana["pedidoId"], "Criado", 0),
            (de_ana["pedidoId"], "EstoqueReservado", 1),
            (outro_de_ana["pedidoId"], "Criado", 0),
            (outro_de_ana["pedidoId"], "EstoqueReservado", 1),
        ]
        campos = ("pedidoId", "clienteId", "status", "versao", "atualizadoEm", "expiraEm")
        assert eventos[1].dados == {campo: de_ana[campo] for campo in campos}
        vistos = {e.dados["pedidoId"] for e in await todos.eventos(6)}
        assert vistos == {p["pedidoId"] for p in (de_ana, de_bia, outro_de_ana)}


async def test_who_was_away_misses_nothing_and_hears_nothing_twice(loja: Loja):
    await loja.declarar("E-E", 500)
    cliente, total = novo_cliente(), 60
    fazendo = []
    vistos: list[tuple[str, int]] = []
    async with abrir(loja.client, "/pedidos/eventos", clienteId=cliente) as fluxo:
        fazendo = [asyncio.create_task(pedir(loja, cliente, "E-E", espera=n % 2 * 10)) for n in range(total)]
        vistos += [(e.dados["pedidoId"], e.dados["versao"]) for e in await fluxo.eventos(25)]
        ultimo = fluxo.ultimo_id
    while len(vistos) < 2 * total:  # again and again away, while orders go on
        async with abrir(loja.client, "/pedidos/eventos", desde=ultimo, clienteId=cliente) as fluxo:
            vistos += [(e.dados["pedidoId"], e.dados["versao"]) for e in await fluxo.eventos(19)]
            ultimo = fluxo.ultimo_id
    pedidos = [p["pedidoId"] for p in await asyncio.gather(*fazendo)]
    assert sorted(vistos) == sorted((pedido, versao) for pedido in pedidos for versao in (0, 1))


async def test_every_replica_tells_what_any_of_them_heard(loja: Loja, sistema: System):
    await loja.declarar("E-F", 50)
    cliente = novo_cliente()
    um, outro = sistema.program_url("pedidos-1"), sistema.program_url("pedidos-2")
    async with (
        abrir(loja.client, f"{um}/pedidos/eventos", clienteId=cliente) as no_um,
        abrir(loja.client, f"{outro}/pedidos/eventos", clienteId=cliente) as no_outro,
    ):
        pedidos = [await pedir(loja, cliente, "E-F") for _ in range(5)]
        ouvidos = [[(e.id, e.dados) for e in await fluxo.eventos(10)] for fluxo in (no_um, no_outro)]
        assert ouvidos[0] == ouvidos[1]
    for pedido in pedidos:
        async with (
            abrir(loja.client, f"{um}/pedidos/{pedido['pedidoId']}/eventos", desde="1") as no_um,
            abrir(loja.client, f"{outro}/pedidos/{pedido['pedidoId']}/eventos", desde="1") as no_outro,
        ):
            await loja.client.post(f"/pedidos/{pedido['pedidoId']}/cancelar")
            assert await no_um.ate_o_fim() == await no_outro.ate_o_fim()
    # What one replica told is an id on the other one too.
    async with abrir(loja.client, f"{outro}/pedidos/eventos", desde=ouvidos[0][3][0], clienteId=cliente) as fluxo:
        assert [(e.id, e.dados) for e in await fluxo.eventos(6)] == ouvidos[0][4:]


async def test_stock_is_told_once_a_sku_with_the_balance_as_it_is(loja: Loja):
    await loja.declarar("E-G", 100)
    await loja.declarar("E-H", 100)
    async with abrir(loja.client, "/estoque/eventos") as fluxo:
        inicio = (await fluxo.aberto()).ultimo_id
        await asyncio.gather(*[pedir(loja, "ana", "E-G") for _ in range(20)])
        await pedir(loja, "ana", "E-H")
        vistos = [e async for e in ate_que(fluxo, "E-H", reservado=1)]
        do_g = [e.dados for e in vistos if e.dados["sku"] == "E-G"]
        assert do_g[-1] == await loja.saldo("E-G")
        assert do_g[-1]["disponivel"] == 80
        assert {e.nome for e in vistos} == {"saldo"}
    async with abrir(loja.client, "/estoque/eventos", desde=inicio) as fluxo:
        depois = await fluxo.eventos(2)
        assert [e.dados for e in depois] == [await loja.saldo("E-G"), await loja.saldo("E-H")]
        assert (depois[0].id, depois[1].id == inicio) == (inicio, False), "half of it is none of it"
        loja.aplicar("E-G", 120)
        [restocado] = await fluxo.eventos(1)
        assert restocado.dados["quantidade"] == 120


async def ate_que(fluxo: Fluxo, sku: str, **campos: int) -> AsyncIterator[Any]:
    """The events up to the one that says this of `sku`."""
    while evento := await fluxo.proximo():
        yield evento
        if evento.dados["sku"] == sku and campos.items() <= evento.dados.items():
            return


async def test_an_item_that_its_shop_deletes_is_told_as_no_longer_offered(loja: Loja, sistema: System):
    await loja.declarar("E-I", 1)
    async with abrir(loja.client, "/estoque/eventos") as fluxo:
        await fluxo.aberto()
        await asyncio.to_thread(sistema.kubectl, "delete", "stockitem", "e-i")
        while (evento := await fluxo.proximo()).nome != "encerrado":
            pass
        assert evento.dados == {"sku": "E-I"}


async def test_a_silent_stream_beats_and_its_id_moves_on_with_what_was_not_for_it(loja: Loja):
    await loja.declarar("E-J", 5)
    pedido = await pedir(loja, "ana", "E-J")
    async with (
        abrir(loja.client, "/pedidos/eventos", clienteId=novo_cliente()) as lista,
        abrir(loja.client, f"/pedidos/{pedido['pedidoId']}/eventos", desde="1") as um_pedido,
        abrir(loja.client, "/estoque/eventos") as estoque,
    ):
        antes = (await lista.aberto()).ultimo_id
        await pedir(loja, "somebody else", "E-J")
        await lista.ate_bater(antes)
        await um_pedido.ate_bater()
        assert [e.dados["sku"] for e in await estoque.eventos(1)] == ["E-J"]
        await estoque.ate_bater()


async def purgar(sistema: System, servico: str) -> None:
    """What retention does, a day later."""
    async with banco(sistema, servico) as pool:
        await pool.execute("select pg_sleep(0.005)")
        await old_changes(pool, clock="select agora()", age=timedelta()).step()


@pytest.mark.parametrize(("servico", "url"), [("pedidos", "/pedidos/eventos"), ("estoque", "/estoque/eventos")])
async def test_an_id_that_is_too_old_is_said_to_be_so(loja: Loja, sistema: System, servico: str, url: str):
    async with abrir(loja.client, url) as fluxo:
        velho = (await fluxo.aberto()).ultimo_id
    await loja.declarar(f"E-L-{servico.upper()}", 5)
    await pedir(loja, "ana", f"E-L-{servico.upper()}")

    async def refused() -> httpx.Response | None:
        # A row stays while it is the newest one below every running transaction.
        await purgar(sistema, servico)
        async with loja.client.stream("GET", url, headers={"Last-Event-ID": velho}) as resposta:
            if resposta.status_code == httpx.codes.OK:
                return None
            await resposta.aread()
            return resposta

    resposta = await ate(refused)
    problema = resposta.json()
    assert resposta.status_code == problema["status"] == 410
    assert resposta.headers["content-type"] == "application/problem+json"
    assert problema["type"].endswith("/problemas/posicao-perdida")
    assert "begin without Last-Event-ID" in problema["detail"]
    async with abrir(loja.client, url) as fluxo:
        novo = (await fluxo.aberto()).ultimo_id
    async with abrir(loja.client, url, desde=novo):
        pass


@pytest.mark.parametrize(
    ("url", "ultimo", "status", "frase"),
    [
        ("/pedidos/eventos", "garbage", 400, "three numbers"),
        ("/pedidos/eventos", "-1.0.0", 400, "three numbers"),
        ("/pedidos/eventos", f"{2**62}.1.0", 410, "another database"),
        ("/estoque/eventos", "1", 400, "three numbers"),
        ("/estoque/eventos", f"{2**62}.1.0", 410, "another database"),
        ("{pedido}", "1.1.1", 400, "versao"),
        ("{pedido}", "9" * 2000, 400, "versao"),
        ("{pedido}", "7", 410, "no version 7"),
        (f"/pedidos/{NO_ORDER}/eventos", "", 404, "no order"),
        ("/pedidos/garbage/eventos", "", 404, "no order"),
    ],
)
async def test_ids_that_cannot_be_are_answered_with_a_sentence(
    loja: Loja, url: str, ultimo: str, status: int, frase: str
):
    if url == "{pedido}":
        await loja.declarar("E-M", 50)
        url = f"/pedidos/{(await pedir(loja, 'ana', 'E-M'))['pedidoId']}/eventos"
    resposta = await loja.client.get(url, headers={"Last-Event-ID": ultimo} if ultimo else {})
    assert (resposta.status_code, resposta.json()["status"]) == (status, status)
    assert frase in resposta.json()["detail"]


@pytest.mark.parametrize("url", ["/pedidos/eventos", f"/pedidos/{NO_ORDER}/eventos", "/estoque/eventos"])
async def test_other_methods_are_refused_by_the_service(loja: Loja, url: str):
    resposta = await loja.client.post(url)
    assert (resposta.status_code, resposta.json()["type"].rpartition("/")[2]) == (405, "metodo-nao-permitido")


class Lento:
    """A client that has asked for a stream and does not read it."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader

    async def ids(self) -> list[str]:
        """Reads at last; the ids of all events, until the stream ends as it should: with an empty chunk."""
        texto = b""
        async with asyncio.timeout(30):
            while tamanho := int(await self.reader.readline(), 16):
                texto += await self.reader.readexactly(tamanho)
                await self.reader.readexactly(2)
        return [linha[4:] for linha in texto.decode().splitlines() if linha.startswith("id: ")]


@asynccontextmanager
async def lento(url: str, caminho: str) -> AsyncIterator[Lento]:
    endereco = httpx.URL(url)
    with socket.socket() as tomada:
        tomada.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)  # or the kernel would read for it
        tomada.connect((endereco.host, endereco.port))
        reader, writer = await asyncio.open_connection(sock=tomada, limit=1024)
        writer.write(f"GET {caminho} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        try:
            yield Lento(reader)
        finally:
            writer.transport.abort()


async def anotar_muitas(sistema: System, linhas: int) -> None:
    """Rows of the log as busy minutes would write them, 200 orders each; no order is touched."""
    async with banco(sistema, "pedidos") as pool:
        for _ in range(linhas):
            await pool.execute(
                """insert into mudanca (pedidos)
                   select jsonb_agg(jsonb_build_object('pedidoId', gen_random_uuid(), 'clienteId', 'muitos',
                       'status', 'Fechado', 'versao', 2, 'atualizadoEm', agora(), 'expiraEm', null))
                   from generate_series(1, 200)"""
            )


async def test_a_reader_that_does_not_read_slows_nobody_is_cut_off_and_can_go_on(loja: Loja, sistema: System):
    url, vistos = sistema.program_url("pedidos-1"), list[str]()
    async with (
        lento(url, "/pedidos/eventos?clienteId=muitos") as parado,
        abrir(loja.client, f"{url}/pedidos/eventos", clienteId="muitos") as rapido,
    ):
        inicio = (await rapido.aberto()).ultimo_id
        for _ in range(15):
            await anotar_muitas(sistema, 20)
            vistos += [e.id for e in await rapido.eventos(20 * 200)]
        assert len(set(vistos)) == 15 * 20 * 200
        recebidos = [i for i in await parado.ids() if i != inicio]
    assert recebidos == vistos[: len(recebidos)]
    assert len(recebidos) < len(vistos), "it was cut off: the test shows something"
    async with abrir(loja.client, f"{url}/pedidos/eventos", desde=recebidos[-1], clienteId="muitos") as fluxo:
        assert [e.id for e in await fluxo.eventos(len(vistos) - len(recebidos))] == vistos[len(recebidos) :]


async def test_streams_end_cleanly_when_the_service_stops_and_go_on_at_another_replica(loja: Loja, sistema: System):
    await loja.declarar("E-N", 50)
    cliente = novo_cliente()
    pedido = await pedir(loja, "ana", "E-N")
    um = sistema.program_url("pedidos-1")
    async with (
        lento(um, "/pedidos/eventos?clienteId=muitos"),
        abrir(loja.client, f"{um}/pedidos/eventos", clienteId=cliente) as lista,
        abrir(loja.client, f"{um}/pedidos/{pedido['pedidoId']}/eventos", desde="1") as um_pedido,
    ):
        await lista.aberto()
        await anotar_muitas(sistema, 300)  # now one client is stuck, too
        parando = asyncio.create_task(asyncio.to_thread(sistema.stop, "pedidos-1"))
        assert await lista.ate_o_fim() == []
        assert await um_pedido.ate_o_fim() == []
        await parando
    try:
        assert "Finished server process" in sistema.log("pedidos-1").rpartition("Shutting down")[2]
        feito = await pedir(loja, cliente, "E-N")
        async with abrir(loja.client, "/pedidos/eventos", desde=lista.ultimo_id, clienteId=cliente) as fluxo:
            assert [e.dados["pedidoId"] for e in await fluxo.eventos(2)] == [feito["pedidoId"]] * 2
    finally:
        await asyncio.to_thread(sistema.start, "pedidos-1")
    for parte in ("estoque-1", "estoque-2"):
        async with abrir(loja.client, f"{sistema.program_url(parte)}/estoque/eventos") as estoque:
            parando = asyncio.create_task(asyncio.to_thread(sistema.restart, parte))
            await estoque.ate_o_fim()
            await parando


async def test_streams_outlive_their_database(loja: Loja, sistema: System):
    await loja.declarar("E-O", 50)
    cliente = novo_cliente()
    pedido = await pedir(loja, cliente, "E-O")
    async with (
        abrir(loja.client, "/pedidos/eventos", clienteId=cliente) as lista,
        abrir(loja.client, f"/pedidos/{pedido['pedidoId']}/eventos", desde="1") as um_pedido,
        abrir(loja.client, "/estoque/eventos") as estoque,
    ):
        for fluxo in (lista, estoque):
            await fluxo.aberto()
        for parte in ("postgres-pedidos", "postgres-estoque"):
            await asyncio.to_thread(sistema.kill, parte)
            await asyncio.to_thread(sistema.wait_ready, parte)

        async def fechado() -> bool:
            return (await loja.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=ESPERA)).is_success

        await ate(fechado)
        assert [e.dados["status"] for e in await lista.eventos(1)] == ["Fechado"]
        assert [e.dados["status"] for e in await um_pedido.ate_o_fim()] == ["Fechado"]
        while (evento := await estoque.proximo()).dados["sku"] != "E-O":
            pass
        assert evento.dados["vendido"] == 1


@pytest.mark.parametrize(
    ("servico", "caminhos"),
    [("pedidos", ["/pedidos/eventos", "/pedidos/{pedido_id}/eventos"]), ("estoque", ["/estoque/eventos"])],
)
async def test_openapi_describes_the_streams(loja: Loja, servico: str, caminhos: list[str]):
    documento = (await loja.client.get(f"/schema/{servico}/openapi.json")).raise_for_status().json()
    for caminho in caminhos:
        operacao = documento["paths"][caminho]["get"]
        assert "text/event-stream" in operacao["responses"]["200"]["content"]
        assert "`status`" in json.dumps(operacao) or "`saldo`" in json.dumps(operacao)
        assert {"410", "503"} <= operacao["responses"].keys()
        assert "Last-Event-ID" in [p["name"] for p in operacao["parameters"]]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A replica of each service that nobody else asks for anything."""
    config = Config(state=tmp_path_factory.mktemp("quiet"), ports=Ports.free(), parts={"pedidos", "estoque"})
    with System(config) as system:
        yield system


async def change_many_skus(system: System, skus: int) -> None:
    async with banco(system, "estoque") as pool:
        await pool.execute(
            """insert into estoque (sku, nome, alvo, quantidade, dono)
               select 'SKU-' || n, 'Produto ' || n, 1, 1, 'a/' || n from generate_series(1, $1) n""",
            skus,
        )


@pytest.mark.parametrize(
    ("service", "path", "change"),
    [
        ("pedidos", "/pedidos/eventos", lambda system: anotar_muitas(system, 20)),
        ("estoque", "/estoque/eventos", lambda system: change_many_skus(system, 5000)),
    ],
)
async def test_streams_that_have_caught_up_hold_nothing_of_what_they_were_sent(
    quiet: System, service: str, path: str, change: Callable[[System], Awaitable[None]]
):
    url, streams = quiet.program_url(f"{service}-1"), list[Fluxo]()  # who is not referred to is closed

    async def gauge(client: httpx.AsyncClient, name: str) -> float:
        metrics = (await client.get(f"{url}/metrics")).text
        return float(re.findall(rf"^{name} (.*)", metrics, re.M)[0])

    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=100)) as client:
        async with abrir(client, f"{url}{path}") as stream:
            start = (await stream.aberto()).ultimo_id
        await change(quiet)
        async with abrir(client, f"{url}{path}") as stream:
            end = (await stream.aberto()).ultimo_id

        async def resume(stack: AsyncExitStack) -> None:
            stream = await stack.enter_async_context(abrir(client, f"{url}{path}", desde=start))
            streams.append(stream)
            while stream.ultimo_id != end:
                await stream.read_block()

        async with AsyncExitStack() as stack:
            await resume(stack)  # what the process takes once, however many there are
            before = await gauge(client, "process_resident_memory_bytes")
            for _ in range(60):
                await resume(stack)
            assert await gauge(client, "streams_open") == len(streams) == 61
            assert (await gauge(client, "process_resident_memory_bytes") - before) / 60 < 100 * 1024


@pytest.fixture(scope="module")
def estreito(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A pedidos that allows three streams."""
    config = Config(
        state=tmp_path_factory.mktemp("estreito"),
        ports=Ports.free(),
        settings={"MAX_STREAMS": "3"},
        parts={"pedidos"},
    )
    with System(config) as system:
        yield system


async def test_more_streams_than_allowed_are_refused_until_one_ends(estreito: System):
    url = f"{estreito.program_url('pedidos-1')}/pedidos/eventos"
    async with abrir_loja(estreito) as loja:
        async with (
            abrir(loja.client, url),
            abrir(loja.client, url),
            abrir(loja.client, url),
        ):
            resposta = await loja.client.get(url)
            assert (resposta.status_code, resposta.headers["retry-after"]) == (503, "2")
            assert "3 event streams" in resposta.json()["detail"]

        async def metricas() -> str:
            return (await loja.client.get(f"{estreito.program_url('pedidos-1')}/metrics")).text

        async def todos_fechados() -> bool:
            return "streams_open 0.0" in await metricas()

        await ate(todos_fechados)
        assert "streams_refused_total 1.0" in await metricas()
        assert 'path="/pedidos/eventos"' not in await metricas(), "how long it is open says nothing of our speed"


async def test_of_many_streams_asked_for_at_once_as_many_are_opened_as_are_allowed(estreito: System):
    url = f"{estreito.program_url('pedidos-1')}/pedidos/eventos"
    respostas: list[int] = []
    todas = asyncio.Event()

    async def pedir_uma(loja: Loja) -> None:
        async with loja.client.stream("GET", url) as resposta:
            respostas.append(resposta.status_code)
            await todas.wait()

    async def respondidas() -> bool:
        return len(respostas) == 20

    async with abrir_loja(estreito) as loja:
        pedindo = [asyncio.create_task(pedir_uma(loja)) for _ in range(20)]
        await ate(respondidas)
        todas.set()
        await asyncio.gather(*pedindo)
    assert sorted(respostas) == [200] * 3 + [503] * 17
