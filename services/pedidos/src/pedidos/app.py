"""Wires pedidos together."""

from datetime import timedelta
from importlib.metadata import version

from litestar.di import NamedDependency, Provide

from pedidos.answer import Answers
from pedidos.changes import Changes
from pedidos.events import to_event
from pedidos.fast_lane import BusyRoutes
from pedidos.follow import Follower
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler
from pedidos.intake import Intake
from pedidos.orders import Orders
from pedidos.reads import READ_CONNECTIONS, Reads
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods, retention_jobs
from pedidos.routes import PROBLEMS, ROUTES
from pedidos.settings import PedidosSettings
from pedidos.stream_routes import STREAM_ROUTES, StreamSources
from pedidos.waiters import Waiters
from reservaestoque.bus import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, BatchConsumer, Publisher
from reservaestoque.events import AtualizarStatus, Decoder
from reservaestoque.http import service_app
from reservaestoque.http.caller import Caller
from reservaestoque.http.identity import Identity
from reservaestoque.http.tuning.fast_lane import FastLane
from reservaestoque.outbox import RELAY_IDLE_SECONDS, Relay
from reservaestoque.periodic import Pace, Periodic
from reservaestoque.postgres import Connector, Queries, Readiness, ServerWatch, open_pool
from reservaestoque.program import Api, Health, Program
from reservaestoque.retention import taking_turns
from reservaestoque.streams import STREAM_CONNECTIONS, ChangeLog, Feed, Streams
from reservaestoque.tickets import Tickets

RESEND_EVERY = timedelta(seconds=5)
PURGE_EVERY = timedelta(minutes=1)
TASK_CONNECTIONS = 5
"""Tasks that occasionally need a connection: two lanes of group commit, the consumer, resends, and one of the
retention jobs, which take turns.
"""
POOL_CONNECTIONS = TASK_CONNECTIONS + READ_CONNECTIONS + STREAM_CONNECTIONS
"""No task waits for another's connection."""
CONNECTIONS = POOL_CONNECTIONS + 4
"""Maximum number per replica, with one each for relay, readiness, LISTEN and the watch. The charts rely on it."""
_sql = Queries("pedidos")


async def run(settings: PedidosSettings) -> None:
    """Runs pedidos until SIGTERM: REST, group commit, the relay of its outbox, the consumer of AtualizarStatus."""
    async with (
        await open_pool(settings.database_url, program="pedidos", size=POOL_CONNECTIONS) as pool,
        await open_pool(
            settings.database_url, program="pedidos relay", size=1, idle_seconds=RELAY_IDLE_SECONDS, durable=False
        ) as outbox,
        await open_pool(settings.database_url, program="pedidos health", size=1) as health,
    ):
        publisher = Publisher(settings.amqp_url, ESTOQUE_PEDIDOS, "pedidos")
        relay = Relay(outbox, publisher, take=_sql["take_outbox"], to_event=to_event)
        group_commit = GroupCommit(
            pool,
            relay,
            max_batch=settings.max_batch,
            max_waiting=settings.max_waiting,
            resend_after=settings.resend_after,
        )
        resend = Resend(
            pool, relay, after=settings.resend_after, until=settings.resend_horizon, horizon=settings.event_horizon
        )
        periods = RetentionPeriods(
            settings.idempotency_retention,
            settings.abandoned_after,
            settings.order_retention,
            settings.change_retention,
        )
        jobs = [
            Periodic(resend.step, name="resend", pace=Pace(every=RESEND_EVERY)),
            *taking_turns(retention_jobs(pool, group_commit, periods), every=PURGE_EVERY),
        ]
        server_watch = ServerWatch(Connector(settings.database_url), pool, outbox, health, program="pedidos")
        waiters = Waiters(Connector(settings.database_url), server_watch)
        consumer = BatchConsumer(
            settings.amqp_url,
            PEDIDOS_STATUS,
            Decoder[AtualizarStatus](AtualizarStatus),
            StatusHandler(pool, resend_after=settings.resend_after),
            max_events=settings.max_events,
        )
        reads = Reads(pool)
        intake = Intake(Answers(reads, group_commit, waiters))
        identity = Identity(settings.identity)
        tickets = Tickets(reads.lists, identity)
        feed = Feed(Changes(ChangeLog(pool, newest=_sql["newest_change"], page=_sql["read_changes"])))
        sources = StreamSources(
            reads,
            feed,
            Follower(reads, waiters),
            Streams(settings.max_streams, settings.max_streams_per_client),
            tickets,
        )
        ready = Health(Readiness(health).missing)
        app = service_app(
            title="pedidos",
            version=version("reservaestoque-pedidos"),
            route_handlers=[*ROUTES, *STREAM_ROUTES],
            problems=PROBLEMS,
            health=ready,
            identity=identity,
            dependencies={
                "intake": Provide(lambda: intake, sync_to_thread=False),
                "orders": _orders(reads),
                "sources": Provide(lambda: sources, sync_to_thread=False),
                "tickets": Provide(lambda: tickets, sync_to_thread=False),
            },
        )

        def on_stop() -> None:
            waiters.close()
            feed.close()

        tasks = {
            "server watch": server_watch.run,
            "publisher": publisher.run,
            "relay": relay.run,
            "commits": group_commit.run,
            "contended commits": group_commit.run_contended,
            "waiters": waiters.run,
            "consumer": consumer.run,
            "feed": feed.run,
            **{job.name: job.run for job in jobs},
        }
        await Program(
            ready,
            tasks,
            host=settings.host,
            metrics_port=settings.metrics_port,
            api=Api(app, settings.port, FastLane(BusyRoutes(intake, reads, identity).find, PROBLEMS).protocol),
            on_stop=on_stop,
        ).run()


def _orders(reads: Reads) -> Provide:
    def provide(caller: NamedDependency[Caller]) -> Orders:
        return Orders(reads, caller)

    return Provide(provide, sync_to_thread=False)
