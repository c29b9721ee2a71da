"""All of estoque's wiring."""

from datetime import timedelta
from importlib.metadata import version

from litestar.di import Provide

from estoque.consumidor import Consumidor
from estoque.eventos import atualizar_status
from estoque.fluxos import FLUXOS, Fluxos
from estoque.mudancas import Mudancas
from estoque.retencao import retention_jobs
from estoque.rotas import ROTAS
from estoque.saldos import LEITURAS, Saldos
from estoque.settings import EstoqueSettings
from reservaestoque.bus import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, BatchConsumer, Publisher
from reservaestoque.events import Comando, Decoder
from reservaestoque.http import serve, service_app
from reservaestoque.outbox import RELAY_IDLE_SECONDS, Relay
from reservaestoque.postgres import Connector, Queries, Readiness, ServerWatch, open_pool
from reservaestoque.retention import taking_turns
from reservaestoque.streams import STREAM_CONNECTIONS, ChangeLog, Feed, Streams

PURGE_EVERY = timedelta(minutes=1)
LOTES = 2
"""Batches at work: one is decoded and decided while PostgreSQL writes the other."""
TAREFAS = LOTES + 1
"""Tasks that hold a connection now and then: batches, and one of the jobs of retention, which take turns."""
CONEXOES = TAREFAS + LEITURAS + STREAM_CONNECTIONS
"""Nobody waits for somebody else's connection."""
CONNECTIONS = CONEXOES + 3
"""What a replica opens at most, with one each for the relay, readiness and the watch. The charts count on it."""


async def run(settings: EstoqueSettings) -> None:
    """Runs estoque until SIGTERM: the REST queries, the consumer of commands, the relay of its outbox."""
    sql = Queries("estoque")
    async with (
        await open_pool(settings.database_url, program="estoque", size=CONEXOES) as pool,
        await open_pool(
            settings.database_url, program="estoque relay", size=1, idle_seconds=RELAY_IDLE_SECONDS
        ) as outbox,
        await open_pool(settings.database_url, program="estoque health", size=1) as health,
    ):
        publisher = Publisher(settings.amqp_url, PEDIDOS_STATUS, "estoque")
        relay = Relay(outbox, publisher, take=sql["tomar_outbox"], to_event=atualizar_status)
        consumidor = Consumidor(pool, relay, settings.reserva_ttl, settings.event_horizon)
        retention = retention_jobs(
            pool,
            inbox=settings.inbox_retention,
            pedidos=settings.order_retention,
            mudancas=settings.change_retention,
        )
        jobs = taking_turns(retention, every=PURGE_EVERY)
        consumer = BatchConsumer(
            settings.amqp_url,
            ESTOQUE_PEDIDOS,
            Decoder[Comando](Comando),
            consumidor,
            max_events=settings.max_events,
            at_once=LOTES,
        )
        watch = ServerWatch(Connector(settings.database_url), pool, outbox, health, program="estoque")
        saldos = Saldos(pool)
        streams = Streams(settings.max_streams)
        log = ChangeLog(pool, newest=sql["ultima_mudanca"], page=sql["ler_mudancas"])
        feed = Feed(Mudancas(log, pool))
        fluxos = Fluxos(feed, streams)
        app = service_app(
            title="estoque",
            version=version("reservaestoque-estoque"),
            route_handlers=[*ROTAS, *FLUXOS],
            is_ready=Readiness(health),
            dependencies={
                "saldos": Provide(lambda: saldos, sync_to_thread=False),
                "fluxos": Provide(lambda: fluxos, sync_to_thread=False),
            },
        )
        tasks = (watch.run, publisher.run, relay.run, consumer.run, feed.run, *(job.run for job in jobs))
        await serve(app, host=settings.host, port=settings.port, tasks=tasks, on_stop=feed.close)
