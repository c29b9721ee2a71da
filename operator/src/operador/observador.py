"""The watch. kopf is only the watcher: no handler of changes, so it writes neither annotations nor finalizers."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf

from operador.conhecidos import Conhecidos
from operador.fila import Fila
from operador.recuo import recuo
from operador.settings import OperadorSettings
from operador.stockitem import GROUP, PLURAL, VERSION, ler_item, ler_status

# A name that no object can have, and whatever version is in memory: else every object is read from etcd. A watch that
# begins with an older version than the newest shows more than it has to.
_NINGUEM = {"fieldSelector": "metadata.name=-", "resourceVersion": "0"}
# The watch is asked for anew at least this often, which is also its heartbeat.
_WATCH_SEGUNDOS = 50


class _Paciencia:
    """kopf's back-offs between tries of a request: without end. An API server that is away comes back."""

    def __iter__(self) -> Iterator[float]:
        tentativa = 0
        while True:
            yield recuo(tentativa)
            tentativa += 1


class _SemDiferencas(kopf.DiffBaseStorage):
    """No handler of ours asks what changed: kopf need not copy each object to find out."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _SemProgresso(kopf.ProgressStorage):
    """No handler of ours is ever half done: kopf need not look for its own notes in each object."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class Observador:
    """Feeds the work set with what the API server shows."""

    def __init__(
        self,
        *,
        conhecidos: Conhecidos,
        fila: Fila,
        settings: OperadorSettings,
        bater: Callable[[], None],
        vigiar: Callable[[int], None],
    ) -> None:
        self._conhecidos = conhecidos
        self._fila = fila
        self._namespace = settings.namespace
        self._kubeconfig = settings.kubeconfig
        self._bater = bater
        self._vigiar = vigiar

    async def rodar(self, pronto: asyncio.Event, sinais: Callable[[], None]) -> None:
        """Watches until it is cancelled; raises when kopf gives up.

        Starts when `pronto` is set, since kopf looks for the definition of StockItem only once. kopf takes over
        SIGTERM when it starts: `sinais` takes it back.
        """
        # Its account of each object and each reconnection belongs to kopf's own debugging.
        logging.getLogger("kopf").setLevel(logging.WARNING)
        while not pronto.is_set():
            self._bater()
            try:
                async with asyncio.timeout(5.0):
                    await pronto.wait()
            except TimeoutError:
                continue
        outras = set(asyncio.all_tasks())
        tarefas = await kopf.spawn_tasks(
            registry=self._registro(),
            settings=_ajustes(),
            standalone=True,
            clusterwide=not self._namespace,
            namespaces=[self._namespace] if self._namespace else [],
        )
        sinais()
        await kopf.run_tasks(tarefas, ignored=outras)

    def receber(self, tipo: str | None, corpo: Any) -> None:
        """Takes in an event of the watch."""
        self._bater()
        if tipo == "DELETED":
            for item in self._conhecidos.sumiu(ler_item(corpo, ausente=True)):
                self._fila.por(item)
            return
        item = ler_item(corpo)
        if self._conhecidos.ver(item, ler_status(corpo)):
            self._fila.por(item)

    def _registro(self) -> kopf.OperatorRegistry:
        registro = kopf.OperatorRegistry()

        @kopf.on.login(registry=registro)
        async def entrar(**argumentos: Any) -> kopf.AiohttpSession | None:
            return self._entrar(**argumentos)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registro)
        async def ver(event: Any, **_: Any) -> None:
            self.receber(event["type"], event["object"])

        return registro

    def _entrar(self, **argumentos: Any) -> kopf.AiohttpSession | None:
        """The same cluster as that of `abrir`; a session whose requests are the watch's heartbeat."""
        entrar = kopf.login_with_kubeconfig if self._kubeconfig else kopf.login_with_service_account
        acesso = entrar(**argumentos)
        if acesso is None:
            return None

        async def sem_lista(
            pedido: aiohttp.ClientRequest, mandar: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            """Before it watches kopf lists, and would handle each object by itself: ours is the list, in pages.

            So its list names none, and says from when on it watches; then all that is older can be listed.
            """
            if "watch" in pedido.url.query or not pedido.url.path.endswith(f"/{PLURAL}"):
                return await mandar(pedido)
            resposta = await sessao.get(pedido.url.update_query(_NINGUEM), middlewares=())
            if resposta.ok:
                self._vigiar(int((await resposta.json())["metadata"]["resourceVersion"]))
            return resposta

        sessao = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=acesso.as_ssl_context()),
            headers=acesso.as_http_headers(),
            proxy=acesso.proxy_url,
            trace_configs=[self._rastro()],
            middlewares=[sem_lista],
        )
        return kopf.AiohttpSession(
            server=acesso.server, aiohttp_session=sessao, default_namespace=acesso.default_namespace
        )

    def _rastro(self) -> aiohttp.TraceConfig:
        rastro = aiohttp.TraceConfig()

        async def pulsar(
            _: aiohttp.ClientSession, __: SimpleNamespace, pedido: aiohttp.TraceRequestStartParams
        ) -> None:
            if "watch" in pedido.url.query and pedido.url.path.endswith(f"/{PLURAL}"):
                self._bater()

        rastro.on_request_start.append(pulsar)
        return rastro


def _ajustes() -> kopf.OperatorSettings:
    ajustes = kopf.OperatorSettings()
    ajustes.persistence.diffbase_storage = _SemDiferencas()
    ajustes.persistence.progress_storage = _SemProgresso()
    ajustes.posting.enabled = False  # Events are ours, posted when a status changes
    ajustes.scanning.disabled = True  # no rights on namespaces and definitions needed
    ajustes.networking.error_backoffs = _Paciencia()
    ajustes.networking.request_timeout = 60.0
    ajustes.networking.connect_timeout = 10.0
    ajustes.watching.connect_timeout = 10.0
    ajustes.watching.server_timeout = _WATCH_SEGUNDOS
    ajustes.watching.client_timeout = _WATCH_SEGUNDOS + 10
    ajustes.watching.inactivity_timeout = _WATCH_SEGUNDOS + 10
    ajustes.watching.chunk_size = 500
    ajustes.queueing.idle_timeout = 0.5  # a worker that lingers costs memory, and the work set does its job
    return ajustes
