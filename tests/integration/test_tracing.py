"""The trace of an order: one tree from the request to the waiting customer, though batches carry many orders."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from collector import Collector, Seen, collecting
from shop import Shop, conferir, open_shop

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    config = Config(state=tmp_path_factory.mktemp("system"), ports=Ports.free(), settings=settings)
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    async with open_shop(system) as shop:
        yield shop
    await conferir(system)


async def _order(shop: Shop, traceparent: str) -> dict[str, object]:
    body = {"clienteId": "ana", "itens": [{"sku": "TR-A", "quantidade": 1}]}
    response = await shop.client.post(
        "/pedidos", json=body, headers={"Prefer": "wait=10", "traceparent": traceparent}
    )
    assert response.status_code == 201
    return response.json()


def _one(spans: list[Seen], program: str, name: str) -> Seen:
    [found] = [span for span in spans if (span.program, span.name) == (program, name)]
    return found


ORDER = """\
gateway ingress
  pedidos POST /pedidos
    pedidos commit
    pedidos send pedidos
      estoque process estoque.pedidos
        estoque send estoque
          pedidos process pedidos.status
    pedidos await decision"""


async def test_the_trace_of_an_order_is_one_tree_through_every_part(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    pedido = await _order(shop, CALLER)
    await asyncio.to_thread(collector.until, lambda seen: len(seen.trace(TRACE)) >= len(ORDER.splitlines()))
    assert collector.tree(TRACE) == ORDER
    spans = collector.trace(TRACE)
    received = _one(spans, "pedidos", "POST /pedidos")
    assert (received.kind, received.attributes["http.response.status_code"]) == ("SERVER", 201)
    decided = _one(spans, "estoque", "process estoque.pedidos")
    assert (decided.kind, decided.attributes["reservaestoque.pedido_id"]) == ("CONSUMER", pedido["pedidoId"])
    assert decided.attributes["messaging.rabbitmq.destination.routing_key"] == "PedidoCriado"
    assert received.start <= decided.start <= decided.end <= received.end
    [(batch_trace, batch)] = decided.links
    assert {span.name for span in collector.trace(batch_trace) if span.parent == batch} >= {
        "registrar_eventos",
        "travar_estoque",
        "gravar_lote",
    }


async def test_orders_that_share_batches_have_a_trace_each(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    traces = [f"{number:032x}" for number in range(1, 41)]
    await asyncio.gather(*(_order(shop, f"00-{trace}-b7ad6b7169203331-01") for trace in traces))
    await asyncio.to_thread(
        collector.until, lambda seen: all(len(seen.trace(t)) >= len(ORDER.splitlines()) for t in traces)
    )
    assert {collector.tree(trace) for trace in traces} == {ORDER}
    ids = {_one(collector.trace(trace), "pedidos", "send pedidos").id: trace for trace in traces}
    batches = [span for span in collector.spans if span.attributes.get("messaging.batch.message_count", 0) > 1]
    assert max(len([link for link in span.links if link[1] in ids]) for span in batches) > 1, "no batch, no proof"


async def test_an_order_that_its_caller_does_not_sample_leaves_no_span(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    unsampled, sampled = "1" * 32, "2" * 32
    await _order(shop, f"00-{unsampled}-b7ad6b7169203331-00")
    await _order(shop, f"00-{sampled}-b7ad6b7169203331-01")
    await asyncio.to_thread(collector.until, lambda seen: len(seen.trace(sampled)) >= len(ORDER.splitlines()))
    assert collector.trace(unsampled) == []


async def test_the_operator_traces_a_stock_item_to_its_status(shop: Shop, collector: Collector):
    await shop.declare("TR-B", 7)

    def written(seen: Collector) -> list[Seen]:
        return [span for span in seen.spans if span.attributes.get("reservaestoque.stockitem") == "tr-b"]

    await asyncio.to_thread(collector.until, lambda seen: bool(written(seen)))
    [status, *_] = written(collector)
    await asyncio.to_thread(
        collector.until, lambda seen: any(span.name == "reconcile" for span in seen.trace(status.trace))
    )
    assert collector.tree(status.trace).splitlines()[0] == "operador reconcile"
    assert {span.name for span in collector.trace(status.trace)} >= {"sincronizar_itens", "write status"}


async def test_without_a_collector_orders_are_decided_and_programs_stop_in_time(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    with collector.away():
        await asyncio.gather(*(_order(shop, "") for _ in range(20)))
        began = time.monotonic()
        await asyncio.to_thread(shop.system.restart, "pedidos")
        assert time.monotonic() - began < 12
    await _order(shop, "")
