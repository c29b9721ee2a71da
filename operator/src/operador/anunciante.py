"""Posts Kubernetes Events, apart from the statuses: they can wait, and can be done without."""

import asyncio
import itertools
from collections.abc import Callable

from operador import metricas
from operador.eventos import Evento
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.stockitem import StockItem
from reservaestoque.telemetry import logger

_LOTACAO = 20_000
_LOTACAO_DE_BOAS_NOVAS = 1_000
_PAUSA = 0.04
_PAUSA_DE_BOAS_NOVAS = 1.0

_log = logger(__name__)


class Anunciante:
    """A bounded queue of Events, posted at a bounded rate: an apply of ten thousand must not cost as many Events.

    What does not fit, or cannot be posted, is dropped: the conditions say the same. Warnings come first, and outlast
    good news.
    """

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._fila: asyncio.PriorityQueue[tuple[bool, int, StockItem, Evento]] = asyncio.PriorityQueue()
        self._numeros = itertools.count()

    def anunciar(self, item: StockItem, evento: Evento) -> None:
        """To be posted soon."""
        boa_nova = evento.tipo != "Warning"
        if self._fila.qsize() < (_LOTACAO_DE_BOAS_NOVAS if boa_nova else _LOTACAO):
            self._fila.put_nowait((boa_nova, next(self._numeros), item, evento))
        else:
            metricas.EVENTOS_PERDIDOS.inc()

    async def trabalhar(self, ha_pressa: Callable[[], bool]) -> None:
        """Posts them; runs for ever. While `ha_pressa`, good news gives way to what the API server has to do."""
        while True:
            boa_nova, _, item, evento = await self._fila.get()
            try:
                await self._kubernetes.anunciar(item, evento)
            except (ItemSumiuError, ItemMudouError, KubernetesForaError) as falta:
                metricas.EVENTOS_PERDIDOS.inc()
                _log.warning("event_not_posted", item=item.chave.dono, reason=evento.motivo, fault=str(falta))
            else:
                metricas.EVENTOS.labels(evento.motivo).inc()
            await asyncio.sleep(_PAUSA_DE_BOAS_NOVAS if boa_nova and ha_pressa() else _PAUSA)
