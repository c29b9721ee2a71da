"""All of the panel's wiring."""

from importlib.metadata import version

from litestar import Litestar
from litestar.di import Provide

from painel import page
from painel.routes import ROUTES, Sources, administrators
from painel.scrape import Scraper, configured
from painel.settings import PainelSettings
from painel.watch import Watch
from reservaestoque.http import service_app
from reservaestoque.program import Api, Health, Program
from reservaestoque.streams import Streams


async def _nothing() -> list[str]:
    return []


HEALTH = Health(_nothing)
"""The panel is always ready: its purpose is to show parts that are down."""


def create_app(sources: Sources) -> Litestar:
    """The application."""
    return service_app(
        title="painel",
        version=version("reservaestoque-painel"),
        route_handlers=ROUTES,
        health=HEALTH,
        dependencies={"sources": Provide(lambda: sources, sync_to_thread=False)},
    )


async def run(settings: PainelSettings) -> None:
    """Runs the panel until SIGTERM."""
    parts = {
        "gateway": settings.gateway_urls,
        "pedidos": settings.pedidos_urls,
        "estoque": settings.estoque_urls,
        "operator": settings.operator_urls,
        "conferir": settings.conferir_urls,
        "rabbitmq": settings.rabbitmq_urls,
    }
    scraper = Scraper(configured(parts), settings.scrape_timeout.total_seconds())
    watch = Watch(scraper, settings.interval.total_seconds())
    streams = Streams(settings.max_streams, settings.max_streams_per_client)
    sources = Sources(watch, streams, page.load(), administrators(settings.identity))
    try:
        await Program(
            HEALTH,
            {"watch": watch.run},
            host=settings.host,
            metrics_port=settings.metrics_port,
            api=Api(create_app(sources), settings.port),
            on_stop=watch.close,
        ).run()
    finally:
        await scraper.close()
