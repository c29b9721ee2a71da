"""Posts Kubernetes Events, apart from the statuses: they can wait, and can be done without."""

import asyncio

from operador import metricas
from operador.eventos import Evento
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.stockitem import StockItem
from reservaestoque.telemetry import logger

_LOTACAO = 20_000
_LOTACAO_DE_BOAS_NOVAS = 1_000
_PAUSA = 0.04

_log = logger(__name__)


class Anunciante:
    """A bounded queue of Events, posted at a bounded rate: an apply of ten thousand must not cost as many Events.

    What does not fit, or cannot be posted, is dropped, and a warning outlasts good news: the conditions say the same.
    """

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._fila: asyncio.Queue[tuple[StockItem, Evento]] = asyncio.Queue()

    def anunciar(self, item: StockItem, evento: Evento) -> None:
        """To be posted soon."""
        if self._fila.qsize() < (_LOTACAO if evento.tipo == "Warning" else _LOTACAO_DE_BOAS_NOVAS):
            self._fila.put_nowait((item, evento))
        else:
            metricas.EVENTOS_PERDIDOS.inc()

    async def trabalhar(self) -> None:
        """Posts them; runs for ever."""
        while True:
            item, evento = await self._fila.get()
            try:
                await self._kubernetes.anunciar(item, evento)
            except (ItemSumiuError, ItemMudouError, KubernetesForaError) as falta:
                metricas.EVENTOS_PERDIDOS.inc()
                _log.warning("event_not_posted", item=item.chave.dono, reason=evento.motivo, fault=str(falta))
            else:
                metricas.EVENTOS.labels(evento.motivo).inc()
            await asyncio.sleep(_PAUSA)
