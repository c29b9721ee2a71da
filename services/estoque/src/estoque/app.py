"""Wires estoque together."""

import asyncio
from datetime import timedelta
from importlib.metadata import version

from litestar.di import Provide

from estoque.access import NOT_OPEN, may_read
from estoque.census import Census
from estoque.changes import Changes
from estoque.events import to_event
from estoque.handler import CommandHandler
from estoque.retention import RetentionPeriods, retention_jobs
from estoque.routes import ROUTES
from estoque.saldos import READ_CONNECTIONS, Saldos
from estoque.settings import EstoqueSettings
from estoque.stream_routes import STREAM_ROUTES, StreamSources
from reservaestoque.bus import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, BatchConsumer, Publisher
from reservaestoque.events import Comando, Decoder
from reservaestoque.http import GatheringProtocol, service_app
from reservaestoque.http.identity import Identity
from reservaestoque.outbox import RELAY_IDLE_SECONDS, Relay
from reservaestoque.postgres import Connector, Queries, Readiness, ServerWatch, open_pool
from reservaestoque.program import Api, Health, Program
from reservaestoque.retention import taking_turns
from reservaestoque.streams import STREAM_CONNECTIONS, ChangeLog, Feed, Streams
from reservaestoque.tickets import Tickets

PURGE_EVERY = timedelta(minutes=1)
CONCURRENT_BATCHES = 2
"""One batch is decoded and decided while PostgreSQL writes the other."""
TASK_CONNECTIONS = CONCURRENT_BATCHES + 1
"""Tasks that occasionally need a connection: batches, and one of the other jobs, which take turns."""
POOL_CONNECTIONS = TASK_CONNECTIONS + READ_CONNECTIONS + STREAM_CONNECTIONS
"""No task waits for another's connection."""
CONNECTIONS = POOL_CONNECTIONS + 3
"""Maximum number per replica, with one each for the relay, readiness and the watch. The charts rely on it."""
_sql = Queries("estoque")


async def run(settings: EstoqueSettings) -> None:
    """Runs estoque until SIGTERM: the REST queries, the consumer of commands, the relay of its outbox."""
    async with (
        await open_pool(settings.database_url, program="estoque", size=POOL_CONNECTIONS) as pool,
        await open_pool(
            settings.database_url, program="estoque relay", size=1, idle_seconds=RELAY_IDLE_SECONDS, durable=False
        ) as outbox,
        await open_pool(settings.database_url, program="estoque health", size=1) as health,
    ):
        publisher = Publisher(settings.amqp_url, PEDIDOS_STATUS, "estoque")
        relay = Relay(outbox, publisher, take=_sql["take_outbox"], to_event=to_event)
        periods = RetentionPeriods(
            inbox=settings.inbox_retention, ended=settings.order_retention, changes=settings.change_retention
        )
        turn = asyncio.Lock()
        jobs = [Census(pool).job(turn), *taking_turns(retention_jobs(pool, periods), every=PURGE_EVERY, turn=turn)]
        consumer = BatchConsumer(
            settings.amqp_url,
            ESTOQUE_PEDIDOS,
            Decoder[Comando](Comando),
            CommandHandler(pool, relay, settings.reserva_ttl, settings.event_horizon),
            max_events=settings.max_events,
            concurrency=CONCURRENT_BATCHES,
        )
        server_watch = ServerWatch(Connector(settings.database_url), pool, outbox, health, program="estoque")
        saldos = Saldos(pool)
        identity = Identity(settings.identity, rule=may_read, refusal=NOT_OPEN)
        tickets = Tickets(saldos.lists, identity)
        streams = Streams(settings.max_streams, settings.max_streams_per_client)
        log = ChangeLog(pool, newest=_sql["newest_change"], page=_sql["read_changes"])
        feed = Feed(Changes(log, pool))
        sources = StreamSources(feed, streams, tickets)
        ready = Health(Readiness(health).missing)
        app = service_app(
            title="estoque",
            version=version("reservaestoque-estoque"),
            route_handlers=[*ROUTES, *STREAM_ROUTES],
            health=ready,
            identity=identity,
            dependencies={
                "saldos": Provide(lambda: saldos, sync_to_thread=False),
                "sources": Provide(lambda: sources, sync_to_thread=False),
                "tickets": Provide(lambda: tickets, sync_to_thread=False),
            },
        )
        tasks = {
            "server watch": server_watch.run,
            "publisher": publisher.run,
            "relay": relay.run,
            "consumer": consumer.run,
            "feed": feed.run,
            **{job.name: job.run for job in jobs},
        }
        await Program(
            ready,
            tasks,
            host=settings.host,
            metrics_port=settings.metrics_port,
            api=Api(app, settings.port, GatheringProtocol),
            on_stop=feed.close,
        ).run()
