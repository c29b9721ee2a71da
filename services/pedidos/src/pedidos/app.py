"""All of pedidos' wiring."""

from datetime import timedelta
from importlib.metadata import version

from litestar.di import Provide

from pedidos.acompanhamento import Acompanhamento
from pedidos.consumidor import Consumidor
from pedidos.espera import Espera
from pedidos.eventos import comando
from pedidos.fluxos import FLUXOS, Fluxos
from pedidos.mudancas import Mudancas
from pedidos.reenvio import Reenvio
from pedidos.registro import Registro
from pedidos.retencao import Prazos, retention_jobs
from pedidos.rotas import PROBLEMAS, ROTAS
from pedidos.servico import LEITURAS, Servico
from pedidos.settings import PedidosSettings
from reservaestoque.bus import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, BatchConsumer, Publisher
from reservaestoque.events import AtualizarStatus, Decoder
from reservaestoque.http import serve, service_app
from reservaestoque.outbox import RELAY_IDLE_SECONDS, Relay
from reservaestoque.periodic import Periodic
from reservaestoque.postgres import Connector, Queries, Readiness, ServerWatch, is_transient, open_pool
from reservaestoque.retention import taking_turns
from reservaestoque.streams import STREAM_CONNECTIONS, ChangeLog, Feed, Streams

RESEND_EVERY = timedelta(seconds=5)
PURGE_EVERY = timedelta(minutes=1)
TAREFAS = 5
"""Tasks that hold a connection now and then: two lanes of group commit, the consumer, resends, one of the jobs of
retention, which take turns.
"""
CONEXOES = TAREFAS + LEITURAS + STREAM_CONNECTIONS
"""Nobody waits for somebody else's connection; four more are for the relay, for readiness, for LISTEN
and, for moments, for the watch."""


async def run(settings: PedidosSettings) -> None:
    """Runs pedidos until SIGTERM: REST, group commit, the relay of its outbox, the consumer of AtualizarStatus."""
    sql = Queries("pedidos")
    async with (
        await open_pool(settings.database_url, program="pedidos", size=CONEXOES) as pool,
        await open_pool(
            settings.database_url, program="pedidos relay", size=1, idle_seconds=RELAY_IDLE_SECONDS
        ) as outbox,
        await open_pool(settings.database_url, program="pedidos health", size=1) as health,
    ):
        publisher = Publisher(settings.amqp_url, ESTOQUE_PEDIDOS, "pedidos")
        relay = Relay(outbox, publisher, take=sql["tomar_outbox"], to_event=comando)
        registro = Registro(
            pool,
            relay,
            max_batch=settings.max_batch,
            max_waiting=settings.max_waiting,
            reenviar_apos=settings.resend_after,
        )
        reenvio = Reenvio(
            pool, relay, apos=settings.resend_after, ate=settings.resend_horizon, horizonte=settings.event_horizon
        )
        prazos = Prazos(
            settings.idempotency_retention,
            settings.abandoned_after,
            settings.order_retention,
            settings.change_retention,
        )
        jobs = [
            Periodic(reenvio.passo, name="resend", every=RESEND_EVERY, is_transient=is_transient),
            *taking_turns(retention_jobs(pool, registro, prazos), every=PURGE_EVERY),
        ]
        watch = ServerWatch(Connector(settings.database_url), pool, outbox, health, program="pedidos")
        espera = Espera(Connector(settings.database_url), watch)
        consumidor = Consumidor(pool, perguntar_apos=settings.resend_after)
        consumer = BatchConsumer(
            settings.amqp_url,
            PEDIDOS_STATUS,
            Decoder[AtualizarStatus](AtualizarStatus),
            consumidor,
            max_events=settings.max_events,
        )
        servico = Servico(pool, registro, espera)
        streams = Streams(settings.max_streams)
        log = ChangeLog(pool, newest=sql["ultima_mudanca"], check=sql["check_mudanca"], page=sql["ler_mudancas"])
        feed = Feed(Mudancas(log))
        fluxos = Fluxos(feed, Acompanhamento(servico, espera), streams)
        app = service_app(
            title="pedidos",
            version=version("reservaestoque-pedidos"),
            route_handlers=[*ROTAS, *FLUXOS],
            problems=PROBLEMAS,
            is_ready=Readiness(health),
            dependencies={
                "servico": Provide(lambda: servico, sync_to_thread=False),
                "fluxos": Provide(lambda: fluxos, sync_to_thread=False),
            },
        )

        def on_stop() -> None:
            espera.encerrar()
            feed.close()

        commits = (registro.run, registro.run_contended)
        tasks = (
            watch.run,
            publisher.run,
            relay.run,
            *commits,
            espera.run,
            consumer.run,
            feed.run,
            *(j.run for j in jobs),
        )
        await serve(app, host=settings.host, port=settings.port, tasks=tasks, on_stop=on_stop)
