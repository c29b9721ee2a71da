"""Writes statuses: only those that change, the latest wins, each StockItem at its own pace."""

import asyncio

from msgspec.structs import replace

from operador import metricas
from operador.anunciante import Anunciante
from operador.conhecidos import Conhecido, Conhecidos
from operador.eventos import eventos
from operador.fila import Fila
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.recuo import recuo
from operador.relogio import agora_rfc3339
from operador.stockitem import Chave, Status, StockItem
from reservaestoque.telemetry import logger

_log = logger(__name__)


class Escritor:
    """Takes proposals from whoever has news and brings the latest of each StockItem to the API server."""

    def __init__(self, kubernetes: Kubernetes, conhecidos: Conhecidos, fila: Fila, anunciante: Anunciante) -> None:
        self._kubernetes = kubernetes
        self._anunciante = anunciante
        self._conhecidos = conhecidos
        self._trabalho = fila
        self._propostas: dict[Chave, tuple[str, Status]] = {}
        self._agendadas: set[Chave] = set()
        self._fila: asyncio.Queue[Chave] = asyncio.Queue()
        self._faltas = 0

    @property
    def esperando(self) -> int:
        """How many statuses wait to be written."""
        return len(self._propostas)

    def propor(self, item: StockItem, status: Status) -> None:
        """This is what the item's status should be; nothing happens when it already is."""
        conhecido = self._conhecidos.obter(item.chave)
        if conhecido is None or conhecido.item.uid != item.uid:
            return
        if conhecido.status == status:
            self._propostas.pop(item.chave, None)
            return
        self._propostas[item.chave] = (item.uid, status)
        if item.chave not in self._agendadas:
            self._agendadas.add(item.chave)
            self._fila.put_nowait(item.chave)

    async def trabalhar(self) -> None:
        """One of the workers that share the proposals; runs for ever."""
        while True:
            await self._atender(await self._fila.get())

    async def _atender(self, chave: Chave) -> None:
        proposta, conhecido = self._propostas.pop(chave, None), self._conhecidos.obter(chave)
        espera: float | None = None
        if proposta is not None and conhecido is not None and conhecido.item.uid == proposta[0]:
            espera = conhecido.ritmo.espera(asyncio.get_running_loop().time())
            if espera == 0:
                espera = await self._escrever(conhecido, proposta[1])
            if espera is not None:
                self._propostas.setdefault(chave, proposta)
        if chave in self._propostas:
            asyncio.get_running_loop().call_later(espera or 0, self._fila.put_nowait, chave)
        else:
            self._agendadas.discard(chave)

    async def _escrever(self, conhecido: Conhecido, status: Status) -> float | None:
        """Writes it; None when that is settled, else the seconds after which to try again."""
        item, anterior = conhecido.item, conhecido.status
        if status == anterior:
            return None
        # Before the write: its echo may come back through the watch sooner than the answer, and is no news.
        conhecido.status = status
        try:
            versao = await self._kubernetes.escrever_status(item, status, agora_rfc3339())
        except ItemSumiuError:
            return None  # deleted meanwhile: the watch will tell
        except ItemMudouError:
            conhecido.status = anterior
            # Somebody was faster. The watch brings what is there; then it starts over.
            self._trabalho.adiar(item, recuo(0))
            return None
        except KubernetesForaError as falta:
            conhecido.status = anterior
            return self._faltou(item, falta)
        self._faltas = 0
        self._anotar(item, versao)
        metricas.STATUS_ESCRITOS.inc()
        for evento in eventos(anterior, status):
            self._anunciante.anunciar(item, evento)
        return None

    def _anotar(self, item: StockItem, versao: int) -> None:
        conhecido = self._conhecidos.obter(item.chave)
        if conhecido is None or conhecido.item.uid != item.uid:
            return
        conhecido.ritmo = conhecido.ritmo.gastar(asyncio.get_running_loop().time())
        if conhecido.item == item:
            conhecido.item = replace(item, versao=versao)

    def _faltou(self, item: StockItem, falta: KubernetesForaError) -> float:
        self._faltas += 1
        metricas.FALTAS.labels("kubernetes").inc()
        _log.warning("status_not_written", item=item.chave.dono, fault=str(falta))
        return recuo(min(self._faltas // 10, 6))
