"""The library against the real system, through its gateway and through one that fails."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from faulty_gateway import FaultyGateway
from shop import NO_ORDER, Shop
from waiting import until

from local_system import System
from reserva import (
    AsyncReserva,
    InvalidRequestError,
    Item,
    ItemEmFalta,
    KeyReusedError,
    Motivo,
    NotAllowedNowError,
    NotFoundError,
    PositionLostError,
    Reserva,
    Retry,
    Saldo,
    SkuEncerrado,
    Status,
    UnauthenticatedError,
    UnreachableError,
    UnreadableAnswerError,
)

pytestmark = pytest.mark.integration


async def test_an_order_from_its_creation_to_its_end(shop: Shop, connect, system: System, customer: str, sku: str):
    await shop.declare(sku, 20)
    reserva = connect(system.gateway_url)
    pedido = await reserva("criar", customer, {sku: 2}, wait=10)
    assert (pedido.status, pedido.itens, pedido.versao) == (Status.ESTOQUE_RESERVADO, (Item(sku, 2),), 1)
    assert (await reserva("saldo", sku)).reservado == 2
    fechado = await reserva("fechar", pedido.pedido_id, wait=10)
    assert fechado.status is Status.FECHADO
    assert fechado.status.final
    assert await reserva("pedido", pedido.pedido_id) == fechado
    assert await reserva("status", str(pedido.pedido_id)) is Status.FECHADO
    assert await reserva("pedidos", customer) == [fechado]
    assert await reserva("pedidos", customer, Status.CANCELADO) == []
    assert (await reserva("saldo", sku)).vendido == 2
    with pytest.raises(NotAllowedNowError) as error:
        await reserva("cancelar", pedido.pedido_id, wait=10)
    assert error.value.status_do_pedido == "Fechado"


async def test_missing_items_are_named_and_nothing_is_reserved(
    shop: Shop, connect, system: System, customer: str, sku: str
):
    await shop.declare(sku, 1)
    reserva = connect(system.gateway_url)
    pedido = await reserva("criar", customer, [Item(sku, 3), Item("NAO-HA", 1)], wait=10)
    assert pedido.status is Status.ESTOQUE_NAO_DISPONIVEL
    assert set(pedido.itens_em_falta) == {
        ItemEmFalta(sku, 3, 1, Motivo.SALDO_INSUFICIENTE),
        ItemEmFalta("NAO-HA", 1, 0, Motivo.SKU_DESCONHECIDO),
    }
    assert (await reserva("saldo", sku)).disponivel == 1


async def test_a_reservation_that_lapses_can_be_renewed(shop: Shop, system: System, customer: str, sku: str):
    await shop.declare(sku, 5)
    async with AsyncReserva(system.gateway_url) as reserva:
        pedido = await reserva.criar(customer, {sku: 1}, wait=10)
        with pytest.raises(NotAllowedNowError) as error:
            await reserva.reservar(pedido.pedido_id, wait=10)
        assert error.value.recusa == "ReservaVigente"
        async with reserva.follow_pedido(pedido.pedido_id) as stream, asyncio.timeout(30):
            async for seen in stream:
                if seen.status == Status.RESERVA_EXPIRADA:
                    break
        renewed = await reserva.reservar(pedido.pedido_id, wait=10)
        assert renewed.status is Status.ESTOQUE_RESERVADO
        assert (await reserva.cancelar(pedido.pedido_id, wait=10)).status is Status.CANCELADO


async def test_unknown_ids_and_invalid_requests_raise_their_errors(shop: Shop, connect, system: System, sku: str):
    await shop.declare(sku, 1)
    reserva = connect(system.gateway_url)
    for name, argument in (("pedido", NO_ORDER), ("fechar", NO_ORDER), ("saldo", "NAO-HA"), ("saldo", "a/../b c")):
        with pytest.raises(NotFoundError):
            await reserva(name, argument)
    with pytest.raises(InvalidRequestError, match="SKU has 1 to 64") as error:
        await reserva("criar", "ana", {"não": 1})
    assert (error.value.slug, error.value.status) == ("conteudo-invalido", 422)
    found = await reserva("consulta", [sku, "NAO-HA", *[f"S-{n}" for n in range(600)]])
    assert ([s.sku for s in found.itens], len(found.desconhecidos)) == ([sku], 601)


async def test_a_key_creates_one_order_and_accepts_one_body(
    shop: Shop, connect, system: System, customer: str, sku: str
):
    await shop.declare(sku, 50)
    reserva = connect(system.gateway_url)
    same = [await reserva("criar", customer, {sku: 1}, wait=10, idempotency_key='carrinho, "1"') for _ in range(3)]
    assert len({one.pedido_id for one in same}) == 1
    with pytest.raises(KeyReusedError):
        await reserva("criar", customer, {sku: 2}, idempotency_key='carrinho, "1"')
    others = [await reserva("criar", customer, {sku: 1}) for _ in range(3)]
    assert len({one.pedido_id for one in (*same, *others)}) == 4


@pytest.mark.parametrize("fault", ["503", "cut-before", "cut-after", "slow"])
async def test_a_failed_call_is_retried_and_takes_effect_once(
    shop: Shop, connect, gateway: FaultyGateway, customer: str, fault: str, sku: str
):
    await shop.declare(sku, 500)
    reserva = connect(gateway.url, timeout=1.0)
    gateway.faults.extend([fault, fault])
    pedido = await reserva("criar", customer, {sku: 1}, wait=0)
    assert len(gateway.received) == 3
    assert len(set(gateway.keys())) == 1
    assert [one.pedido_id for one in await reserva("pedidos", customer)] == [pedido.pedido_id]
    gateway.faults.extend([fault, fault])
    fechado = await reserva("fechar", pedido.pedido_id, wait=5)
    assert fechado.status is Status.FECHADO
    gateway.faults.append(fault)
    assert (await reserva("pedido", pedido.pedido_id)).status is Status.FECHADO


async def test_without_a_key_a_call_that_may_have_been_executed_is_not_retried(
    shop: Shop, connect, gateway: FaultyGateway, customer: str, sku: str
):
    await shop.declare(sku, 50)
    reserva = connect(gateway.url)
    gateway.faults.append("cut-after")
    with pytest.raises(UnreachableError) as error:
        await reserva("criar", customer, {sku: 1}, idempotency_key="")
    assert error.value.executed_maybe
    assert gateway.keys() == [None]
    assert len(await reserva("pedidos", customer)) == 1


async def test_a_page_from_another_server_is_not_taken_for_an_answer(connect, gateway: FaultyGateway):
    reserva = connect(gateway.url)
    gateway.faults.append("garbage")
    with pytest.raises(UnreadableAnswerError, match="It works"):
        await reserva("pedido", NO_ORDER)
    assert len(gateway.received) == 1


async def test_calls_to_an_unreachable_gateway_fail_in_time(connect, gateway: FaultyGateway):
    reserva = connect(gateway.url, retry=Retry(deadline=3))
    gateway.faults.extend(["503"] * 20)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Exception, match="503"):
        await reserva("saldo", "X")
    assert asyncio.get_running_loop().time() - began < 4
    assert 2 <= len(gateway.received) <= 4
    nobody = connect("http://127.0.0.1:1", retry=Retry(deadline=1))
    with pytest.raises(UnreachableError) as error:
        await nobody("saldo", "X")
    assert not error.value.executed_maybe


async def test_a_token_is_sent_and_asked_for_again_when_it_is_refused(
    shop: Shop, connect, gateway: FaultyGateway, sku: str
):
    await shop.declare(sku, 1)
    tokens = iter(["old", "new", "new", "new", "new"])
    reserva = connect(gateway.url, token=lambda: next(tokens))
    gateway.faults.append("401")
    await reserva("saldo", sku)
    assert [one.headers["authorization"] for one in gateway.received] == ["Bearer old", "Bearer new"]
    gateway.faults.extend(["401"] * 9)
    with pytest.raises(UnauthenticatedError):
        await reserva("saldo", sku)
    fixed = connect(gateway.url, token="only one")
    with pytest.raises(ValueError, match="characters that a bearer token cannot have"):
        await fixed("saldo", sku)


async def test_a_coroutine_can_fetch_the_token(shop: Shop, gateway: FaultyGateway, sku: str):
    await shop.declare(sku, 1)

    async def token() -> str:
        await asyncio.sleep(0)
        return "t"

    async with AsyncReserva(gateway.url, token=token) as reserva:
        await reserva.saldo(sku)
        async with reserva.follow_saldos() as stream:
            await stream.opened()
    assert [one.headers["authorization"] for one in gateway.received] == ["Bearer t"] * 2


async def test_orders_are_accepted_again_when_the_service_is_back(
    shop: Shop, system: System, customer: str, sku: str
):
    """Envoy itself answers 503 with Retry-After while no replica is available."""
    await shop.declare(sku, 50)
    async with AsyncReserva(system.gateway_url) as reserva:
        await asyncio.to_thread(system.stop, "pedidos")
        try:
            waiting = [asyncio.create_task(reserva.criar(customer, {sku: 1}, wait=10)) for _ in range(5)]
            await asyncio.sleep(1)
            assert not any(task.done() for task in waiting)
        finally:
            await asyncio.to_thread(system.start, "pedidos")
        assert {one.status for one in await asyncio.gather(*waiting)} == {Status.ESTOQUE_RESERVADO}
        assert len([one async for one in reserva.pedidos(customer)]) == 5


async def test_all_pages_are_read(shop: Shop, connect, system: System, customer: str, sku: str):
    await shop.declare(sku, 500)
    async with AsyncReserva(system.gateway_url) as reserva:
        made = await asyncio.gather(*(reserva.criar(customer, {sku: 1}) for _ in range(205)))
    found = [one.pedido_id for one in await connect(system.gateway_url)("pedidos", customer)]
    assert found == sorted((one.pedido_id for one in made), reverse=True)
    skus = [one.sku for one in await connect(system.gateway_url)("saldos")]
    assert sku in skus
    assert skus == sorted(skus)


async def test_one_client_serves_many_threads(shop: Shop, system: System, customer: str, sku: str):
    await shop.declare(sku, 100)

    def order_twice(reserva: Reserva) -> list[Status]:
        return [reserva.criar(customer, {sku: 1}, wait=10).status for _ in range(2)]

    def all_threads() -> list[list[Status]]:
        with Reserva(system.gateway_url) as reserva, ThreadPoolExecutor(8) as pool:
            return list(pool.map(order_twice, [reserva] * 8))

    assert await asyncio.to_thread(all_threads) == [[Status.ESTOQUE_RESERVADO] * 2] * 8
    assert (await shop.saldo(sku))["reservado"] == 16


# Streams


async def test_an_order_is_followed_across_interruptions(
    shop: Shop, connect, gateway: FaultyGateway, customer: str, caplog: pytest.LogCaptureFixture, sku: str
):
    caplog.set_level(logging.INFO, "reserva")
    await shop.declare(sku, 50)
    reserva = connect(gateway.url)
    pedido = await reserva("criar", customer, {sku: 1}, wait=10)
    gateway.faults.extend(["cut-stream", "503", "cut-before"])
    following = asyncio.create_task(reserva("follow_pedido", pedido.pedido_id))

    async def lost() -> bool:
        return "the stream was interrupted" in caplog.text

    await until(lost)
    await shop.client.post(f"/pedidos/{pedido.pedido_id}/fechar", headers={"Prefer": "wait=10"})
    seen = await asyncio.wait_for(following, 30)
    assert [(one.versao, one.status) for one in seen] == [(1, "EstoqueReservado"), (2, "Fechado")]
    positions = [one.headers.get("last-event-id") for one in gateway.received if one.path.endswith("/eventos")]
    assert positions == [None, "1", "1", "1"]


async def test_a_list_is_followed_while_both_replicas_are_killed(shop: Shop, system: System, customer: str, sku: str):
    await shop.declare(sku, 200)
    total, seen = 60, []
    async with AsyncReserva(system.gateway_url) as reserva, reserva.follow_pedidos(customer) as stream:
        await stream.opened()

        async def order(number: int) -> None:
            if number == total // 2:
                await asyncio.to_thread(system.kill, "pedidos-1")
                await asyncio.to_thread(system.kill, "pedidos-2")
            await reserva.criar(customer, {sku: 1}, wait=number % 2 * 5)

        ordering = asyncio.create_task(_one_after_another(order, total))
        async with asyncio.timeout(60):
            while len(seen) < 2 * total:
                change = await anext(stream)
                if change.versao < 2:
                    seen.append((change.pedido_id, change.versao))
        await ordering
    assert len(set(seen)) == 2 * total, "nothing is missed, nothing arrives twice"


async def _one_after_another(act: Callable[[int], object], count: int) -> None:
    for number in range(count):
        await act(number)  # type: ignore[misc]


async def test_stock_is_followed_and_resumed_by_another_client(
    shop: Shop, system: System, connect, customer: str, sku: str
):
    await shop.declare(sku, 50)
    async with AsyncReserva(system.gateway_url) as reserva:
        async with reserva.follow_saldos() as stream, asyncio.timeout(30):
            await stream.opened()
            await reserva.criar(customer, {sku: 3}, wait=10)
            async for change in stream:
                if isinstance(change, Saldo) and (change.sku, change.reservado) == (sku, 3):
                    break
            position = stream.position
        await asyncio.to_thread(system.kubectl, "delete", "stockitem", sku.lower())
        async with reserva.follow_saldos(position=position) as stream, asyncio.timeout(30):
            async for change in stream:
                if change == SkuEncerrado(sku):
                    break
    with pytest.raises(PositionLostError, match="begin without Last-Event-ID"):
        await connect(system.gateway_url)("follow_saldos", position=f"{10**17}.1.0")


async def test_waiting_for_an_event_can_be_cancelled_without_missing_one(
    shop: Shop, system: System, customer: str, sku: str
):
    await shop.declare(sku, 50)
    async with AsyncReserva(system.gateway_url) as reserva, reserva.follow_pedidos(customer) as stream:
        await stream.opened()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.3)
        pedido = await reserva.criar(customer, {sku: 1}, wait=10)
        async with asyncio.timeout(30):
            seen = [await anext(stream) for _ in range(2)]
        assert [(one.pedido_id, one.versao) for one in seen] == [(pedido.pedido_id, 0), (pedido.pedido_id, 1)]


async def test_a_sync_stream_can_be_left_at_any_time(shop: Shop, system: System, customer: str, sku: str):
    await shop.declare(sku, 50)

    def read() -> list[str]:
        with Reserva(system.gateway_url) as reserva, reserva.follow_pedidos(customer) as stream:
            stream.opened()
            reserva.criar(customer, {sku: 1}, wait=10)
            return [next(stream).status.value for _ in range(2)]

    assert await asyncio.to_thread(read) == ["Criado", "EstoqueReservado"]
