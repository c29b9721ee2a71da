"""Health and metrics over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from operador.pulso import Pulsos

Pronto = Callable[[], Awaitable[list[str]]]


@asynccontextmanager
async def servir(host: str, port: int, pulsos: Pulsos, faltando: Pronto) -> AsyncIterator[None]:
    """Serves while the context lasts. `faltando` says what readiness lacks, in sentences; nothing means ready.

    Raises OSError when the address cannot be bound.
    """
    corredor = web.AppRunner(aplicacao(pulsos, faltando), access_log=None, handle_signals=False)
    await corredor.setup()
    try:
        await web.TCPSite(corredor, host, port, shutdown_timeout=2.0).start()
        yield
    finally:
        await corredor.cleanup()


def aplicacao(pulsos: Pulsos, faltando: Pronto) -> web.Application:
    """/health/live, /health/ready and /metrics."""

    async def live(_: web.Request) -> web.Response:
        parados = {nome: round(s, 1) for nome, s in pulsos.parados().items()}
        return web.json_response({"stalled": parados}, status=503 if parados else 200)

    async def ready(_: web.Request) -> web.Response:
        falta = await faltando()
        return web.json_response({"missing": falta}, status=503 if falta else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    return app
