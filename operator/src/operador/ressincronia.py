"""The full resync: what a watch can miss, and what somebody changed by hand, is found here."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from msgspec.structs import replace

from operador import metricas
from operador.banco import Banco
from operador.conhecidos import Conhecidos
from operador.decisao import espera_o_banco
from operador.fila import Fila
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.recuo import recuo
from operador.saldo import Saldo
from operador.saldos import Saldos
from operador.stockitem import Chave, StockItem, ler_item, ler_status
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

_BATIDA = 5.0

_log = logger(__name__)


class HistoriaVoltouError(Exception):
    """The cluster is older than it was: etcd was restored from a backup, so versions no longer say what is newer."""


def abandonado(saldo: Saldo) -> StockItem:
    """The deleted StockItem whose SKU this row is about to give up (`Encerrando`)."""
    return StockItem(
        chave=Chave.de_dono(saldo.dono or ""),
        uid="",
        versao=0,
        geracao=0,
        sku=saldo.sku,
        nome=saldo.nome or "",
        quantidade=saldo.alvo,
        pausado=False,
        limite_baixo=saldo.limite_baixo,
        ausente=True,
    )


class Ressincronia:
    """Lists everything and compares it with all rows, first once the watch has begun.

    `definida` is set when the API server knows StockItems, so that they can be watched, `comparada` when the first
    list was compared.
    """

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        banco: Banco,
        conhecidos: Conhecidos,
        fila: Fila,
        saldos: Saldos,
        namespace: str,
    ) -> None:
        self._kubernetes = kubernetes
        self._banco = banco
        self._conhecidos = conhecidos
        self._fila = fila
        self._saldos = saldos
        self._namespace = namespace
        self._lista_de = 0
        self.definida, self.comparada = asyncio.Event(), asyncio.Event()
        self._vigiada = asyncio.Event()
        self._vigiada_de = 0

    def vigiar(self, versao: int) -> None:
        """The watch begins with this version, or begins anew: what there was by then is for a list to tell."""
        self._vigiada_de = versao
        self._vigiada.set()

    async def rodar(self, intervalo: float, bater: Callable[[], None]) -> None:
        """Runs for ever, every `intervalo` seconds; calls `bater` at least every few seconds.

        Raises HistoriaVoltouError: what is known then is worth nothing, and the program has to start anew.
        """
        faltas = 0
        while True:
            try:
                await self._ressincronizar(bater)
            except (ItemSumiuError, ItemMudouError, KubernetesForaError) as falta:
                metricas.FALTAS.labels("kubernetes").inc()
                _log.warning("stockitems_not_listed", fault=str(falta))
            except Exception as falta:
                if not is_transient(falta):
                    raise
                metricas.FALTAS.labels("postgres").inc()
                _log.warning("rows_not_compared", fault=repr(falta))
            else:
                faltas = 0
                metricas.RESSINCRONIAS.inc()
                await _dormir(intervalo, bater, self._vigiada)
                continue
            await _dormir(recuo(faltas), bater, asyncio.Event())
            faltas += 1

    async def _ressincronizar(self, bater: Callable[[], None]) -> None:
        if not self.definida.is_set():
            await self._kubernetes.sondar()
            self.definida.set()
            while not await _dormir(_BATIDA, bater, self._vigiada):
                pass
        self._vigiada.clear()
        await self._listar(bater)
        await self._comparar(bater)
        self.comparada.set()

    async def _listar(self, bater: Callable[[], None]) -> None:
        """Takes in every StockItem. What its status shows to be undone waits for no comparison."""
        vistos: set[Chave] = set()
        de_quando = 0
        async for objetos, versao in self._kubernetes.paginas(nao_antes_de=self._basta()):
            bater()
            de_quando = versao
            for corpo in objetos:
                item, status = ler_item(corpo), ler_status(corpo)
                vistos.add(item.chave)
                if self._conhecidos.ver(item, status) and espera_o_banco(item, status):
                    self._fila.por(item)
        if de_quando < self._lista_de:
            raise HistoriaVoltouError(f"the list is of version {de_quando}, an earlier one was of {self._lista_de}")
        self._lista_de = de_quando
        self._esquecer_os_sumidos(vistos, de_quando)
        self._conhecidos.varrer_lapides()

    def _basta(self) -> int:
        """The version that a list has to have at least.

        That with which a watch has just begun will do, since the watch shows all that came later; unless it lags
        behind the last list. Then, and for every other list, it is 0: the newest there is.
        """
        versao, self._vigiada_de = self._vigiada_de, 0
        return versao if versao >= self._lista_de else 0

    def _esquecer_os_sumidos(self, vistos: set[Chave], de_quando: int) -> None:
        for conhecido in self._conhecidos:
            item = conhecido.item
            if item.chave not in vistos and item.versao < de_quando:
                _log.warning("stockitem_vanished_unseen", item=item.chave.dono)
                for encerrado in self._conhecidos.sumiu(replace(item, versao=de_quando)):
                    self._fila.por(encerrado)

    async def _comparar(self, bater: Callable[[], None]) -> None:
        """Compares every row with its StockItem, and puts into the work set whatever is not as it should be."""
        inicio, com_linha, esquecidas = await self._banco.agora(), set[Chave](), list[str]()
        async for saldos in self._banco.paginas():
            bater()
            for saldo in saldos:
                if self._saldos.receber(saldo):
                    com_linha.add(Chave.de_dono(saldo.dono or ""))
                elif self._nossa(saldo) and saldo.situacao == "Encerrando":
                    self._fila.por(abandonado(saldo))
                elif self._nossa(saldo) and saldo.situacao != "Encerrado":
                    esquecidas.append(saldo.sku)
        self._saldos.comecar(inicio)
        for conhecido in self._conhecidos:
            item = conhecido.item
            if item.chave not in com_linha or item.encerrar or not item.marcado:
                self._fila.por(item)
        self._contar(esquecidas)

    def _contar(self, esquecidas: list[str]) -> None:
        metricas.SEM_STOCKITEM.set(len(esquecidas))
        if esquecidas:
            # They stay sellable: whoever lost the StockItem decides.
            _log.warning("rows_without_stockitem", count=len(esquecidas), skus=esquecidas[:20])

    def _nossa(self, saldo: Saldo) -> bool:
        return not self._namespace or saldo.dono is None or saldo.dono.startswith(f"{self._namespace}/")


async def _dormir(segundos: float, bater: Callable[[], None], despertador: asyncio.Event) -> bool:
    """Until the time is over or `despertador` is set: whether it is."""
    fim = time.monotonic() + segundos
    while (resta := fim - time.monotonic()) > 0 and not despertador.is_set():
        bater()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(resta, _BATIDA)):
                await despertador.wait()
    bater()
    return despertador.is_set()
