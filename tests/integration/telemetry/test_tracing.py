"""The trace of an order: one tree from the request to the waiting customer, though batches carry many orders."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from collector import DRIVER_QUERIES, Collector, ReceivedSpan
from prometheus_here import Prometheus
from shop import Shop, conferir
from waiting import until

pytestmark = pytest.mark.integration

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-00"
BODY = {"clienteId": "ana", "itens": [{"sku": "TR-A", "quantidade": 1}]}
PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def _documented() -> list[str]:
    """The trees in the documentation, without the remarks beside the spans."""
    section = PAGE.read_text().split("\n## Traces\n")[1].split("\n## ")[0]
    return [re.sub(r"(?<=\S) {2,}\S.*", "", tree) for tree in re.findall(r"```\n(.*?)\n```", section, re.S)]


ORDER, BATCH, STOCK_ITEM = _documented()


@pytest.fixture
async def shop(shop: Shop) -> AsyncIterator[Shop]:
    yield shop
    await conferir(shop.system)


async def _order(shop: Shop, traceparent: str = "") -> dict[str, object]:
    headers = {"Prefer": "wait=10", "traceparent": traceparent}
    response = await shop.client.post("/pedidos", json=BODY, headers=headers)
    assert response.status_code == 201
    return response.json()


def lines(tree: str) -> list[str]:
    """The spans with their depth, in no order: spans carry the wall clock, which may be set back meanwhile."""
    return sorted(tree.splitlines())


def _trace(collector: Collector, pedido: dict[str, object]) -> str:
    """The trace of an order, once it is complete."""

    def traces(seen: Collector) -> set[str]:
        return {
            span.trace
            for span in seen.spans
            if (span.program, span.attributes.get("reservaestoque.pedido_id")) == ("estoque", pedido["pedidoId"])
        }

    try:
        collector.until(lambda seen: any(len(seen.trace(trace)) >= len(ORDER.splitlines()) for trace in traces(seen)))
    except TimeoutError:
        pytest.fail("\n".join(["incomplete:", *map(collector.tree, traces(collector))]))
    [trace] = traces(collector)
    return trace


def _one(spans: list[ReceivedSpan], program: str, name: str) -> ReceivedSpan:
    [found] = [span for span in spans if (span.program, span.name) == (program, name)]
    return found


async def test_the_trace_of_an_order_is_one_tree_through_every_part(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    pedido = await _order(shop)
    trace = await asyncio.to_thread(_trace, collector, pedido)
    assert lines(collector.tree(trace)) == lines(ORDER)
    spans = collector.trace(trace)
    received = _one(spans, "pedidos", "POST /pedidos")
    assert received.kind == "SERVER"
    assert (
        received.attributes.items()
        >= {
            "http.request.method": "POST",
            "http.route": "/pedidos",
            "http.response.status_code": 201,
            "url.path": "/pedidos",
        }.items()
    )
    decided = _one(spans, "estoque", "process pedidos:PedidoCriado:estoque.pedidos")
    assert (decided.kind, decided.attributes["reservaestoque.pedido_id"]) == ("CONSUMER", pedido["pedidoId"])
    assert (
        decided.attributes.items()
        >= {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "process",
            "messaging.destination.name": "pedidos:PedidoCriado:estoque.pedidos",
            "messaging.rabbitmq.destination.routing_key": "PedidoCriado",
        }.items()
    )
    assert received.start <= decided.start <= decided.end <= received.end
    [(batch_trace, batch)] = decided.links
    await asyncio.to_thread(collector.until, lambda seen: len(seen.trace(batch_trace)) >= len(BATCH.splitlines()))
    assert lines(collector.tree(batch_trace)) == lines(BATCH)
    [_, *statements] = collector.trace(batch_trace)
    assert {statement.parent for statement in statements} == {batch}
    assert {statement.attributes["db.system.name"] for statement in statements} == {"postgresql"}


async def test_orders_that_share_batches_have_a_trace_each(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    pedidos = await asyncio.gather(*(_order(shop) for _ in range(40)))
    traces = [await asyncio.to_thread(_trace, collector, pedido) for pedido in pedidos]
    assert {tuple(lines(collector.tree(trace))) for trace in traces} == {tuple(lines(ORDER))}
    ids = {_one(collector.trace(trace), "pedidos", "send pedidos:PedidoCriado").id: trace for trace in traces}
    batches = [span for span in collector.spans if span.attributes.get("messaging.batch.message_count", 0) > 1]
    assert max(len([link for link in span.links if link[1] in ids]) for span in batches) > 1, (
        "no orders shared a batch, so the test proves nothing"
    )


async def test_the_caller_chooses_neither_the_trace_nor_whether_it_is_recorded(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    pedido = await _order(shop, CALLER)
    assert lines(collector.tree(await asyncio.to_thread(_trace, collector, pedido))) == lines(ORDER)
    assert collector.trace(TRACE) == []


async def test_an_order_that_the_gateway_does_not_sample_leaves_no_span(shop: Shop, collector: Collector):
    """The gateway's decision, as pedidos receives it."""
    await shop.declare("TR-A", 1000)
    unsampled, sampled = "1" * 32, "2" * 32
    async with httpx.AsyncClient(base_url=shop.system.program_url("pedidos-1"), trust_env=False) as gateway:
        for trace, flags in ((unsampled, "00"), (sampled, "01")):
            headers = {"Prefer": "wait=10", "traceparent": f"00-{trace}-b7ad6b7169203331-{flags}"}
            (await gateway.post("/pedidos", json=BODY, headers=headers)).raise_for_status()
    of_pedidos = len(ORDER.splitlines()) - 1
    await asyncio.to_thread(collector.until, lambda seen: len(seen.trace(sampled)) >= of_pedidos)
    assert collector.trace(unsampled) == []


async def test_the_operator_traces_a_stock_item_to_its_status(shop: Shop, collector: Collector):
    await shop.declare("TR-B", 7)

    def written(seen: Collector) -> list[ReceivedSpan]:
        return [span for span in seen.spans if span.attributes.get("reservaestoque.stockitem") == "tr-b"]

    await asyncio.to_thread(collector.until, lambda seen: bool(written(seen)))
    [status, *_] = written(collector)
    await asyncio.to_thread(
        collector.until, lambda seen: len(seen.trace(status.trace)) >= len(STOCK_ITEM.splitlines())
    )
    assert lines(collector.tree(status.trace)) == lines(STOCK_ITEM)
    patch = _one(collector.trace(status.trace), "operador", "PATCH")
    assert (patch.kind, patch.attributes["http.response.status_code"]) == ("CLIENT", 200)
    assert patch.attributes["url.full"].endswith("/stockitems/tr-b/status")


async def test_only_queries_of_the_driver_have_no_name(shop: Shop, collector: Collector):
    """The trees above leave them out. To look up types, asyncpg switches jit off, asks, and restores it."""
    await shop.declare("TR-A", 1000)
    await _order(shop)

    def lookups_only(seen: Collector) -> bool:
        unnamed = [(span.parent, span.name) for span in seen.spans if span.name in DRIVER_QUERIES]
        counts = Counter(unnamed)
        return bool(unnamed) and all(counts[of, "SELECT"] == 2 * counts[of, "WITH"] for of, _ in unnamed)

    await asyncio.to_thread(collector.until, lookups_only)


async def test_without_a_collector_orders_are_decided_and_programs_stop_in_time(shop: Shop, collector: Collector):
    await shop.declare("TR-A", 1000)
    with collector.silenced():
        await asyncio.gather(*(_order(shop) for _ in range(20)))
        began = time.monotonic()
        await asyncio.to_thread(shop.system.restart, "pedidos")
        assert time.monotonic() - began < 12
    await _order(shop)


async def test_exemplars_link_the_latency_histograms_to_traces(
    shop: Shop, collector: Collector, prometheus: Prometheus
):
    await shop.declare("TR-A", 1000)
    began = time.time()
    trace = await asyncio.to_thread(_trace, collector, await _order(shop))
    for metric in ("pedidos_decision_seconds", "http_request_duration_seconds"):

        async def exemplars(metric: str = metric) -> set[str]:
            query = f"{metric}_bucket"
            found = await prometheus.get("query_exemplars", query=query, start=began - 1, end=time.time() + 1)
            traces = {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}
            return traces & {trace}

        await until(exemplars)
