"""Our finalizer: put on before a SKU is claimed, taken off after it was given up.

In this order a crash at any point leaves at worst a StockItem that bears the mark without having claimed anything,
never a claimed SKU whose StockItem can vanish unnoticed.
"""

import asyncio
from collections.abc import Sequence

from operador import metricas
from operador.conhecidos import Conhecidos
from operador.fila import Fila
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.recuo import recuo
from operador.stockitem import FINALIZER, StockItem, ler_item, ler_status
from reservaestoque.telemetry import logger

_log = logger(__name__)
_AO_MESMO_TEMPO = 16


def com_marca(finalizadores: tuple[str, ...]) -> tuple[str, ...]:
    """These finalizers and ours."""
    return finalizadores if FINALIZER in finalizadores else (*finalizadores, FINALIZER)


def sem_marca(finalizadores: tuple[str, ...]) -> tuple[str, ...]:
    """These finalizers without ours; those of others keep their order."""
    return tuple(f for f in finalizadores if f != FINALIZER)


class Marcador:
    """Changes finalizers; what cannot be changed now goes back into the work set."""

    def __init__(self, kubernetes: Kubernetes, conhecidos: Conhecidos, fila: Fila) -> None:
        self._kubernetes = kubernetes
        self._conhecidos = conhecidos
        self._fila = fila
        self._vagas = asyncio.Semaphore(_AO_MESMO_TEMPO)

    async def marcar(self, itens: Sequence[StockItem]) -> list[StockItem]:
        """Those of the items that may go to PostgreSQL: they bear our mark, or are to be given up anyway."""
        prontos = await asyncio.gather(*(self._marcar(item) for item in itens))
        return [item for item in prontos if item is not None]

    async def liberar(self, itens: Sequence[StockItem]) -> None:
        """Takes our mark off these items, which own nothing any more."""
        await asyncio.gather(*(self._mudar(item, sem_marca(item.finalizadores)) for item in itens))

    async def _marcar(self, item: StockItem) -> StockItem | None:
        if item.encerrar or item.marcado:
            return item
        return await self._mudar(item, com_marca(item.finalizadores))

    async def _mudar(self, item: StockItem, finalizadores: tuple[str, ...]) -> StockItem | None:
        """The item after the change; None when there was none, and somebody else will see to it."""
        try:
            async with self._vagas:
                corpo = await self._kubernetes.mudar_finalizadores(item, finalizadores)
        except ItemSumiuError:
            return None  # the watch will tell
        except ItemMudouError:
            self._fila.adiar(item, recuo(0))  # the watch brings what is there
            return None
        except KubernetesForaError as falta:
            self._faltou(item, falta)
            return None
        novo = ler_item(corpo)
        self._conhecidos.ver(novo, ler_status(corpo))
        return novo

    def _faltou(self, item: StockItem, falta: Exception) -> None:
        metricas.FALTAS.labels("kubernetes").inc()
        _log.warning("finalizer_not_changed", item=item.chave.dono, fault=str(falta))
        self._fila.adiar(item, recuo(2))
