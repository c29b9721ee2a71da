"""The full resync: what a watch can miss, and what somebody changed by hand, is found here."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from operador import metricas
from operador.banco import Banco
from operador.conhecidos import Conhecidos
from operador.fila import Fila
from operador.kubernetes import ItemMudouError, ItemSumiuError, Kubernetes, KubernetesForaError
from operador.recuo import recuo
from operador.saldo import Saldo
from operador.saldos import Saldos
from operador.stockitem import Chave, StockItem, ler_item, ler_status
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

_log = logger(__name__)


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
    """Lists everything, first at start-up. `primeira` is set when the first list is in the work set."""

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
        self.primeira = asyncio.Event()

    async def rodar(self, intervalo: float, bater: Callable[[], None]) -> None:
        """Runs for ever, every `intervalo` seconds; calls `bater` at least every few seconds."""
        faltas = 0
        while True:
            try:
                await self._listar(bater)
                self.primeira.set()
                await self._comparar_linhas()
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
                await _dormir(intervalo, bater)
                continue
            await _dormir(recuo(faltas), bater)
            faltas += 1

    async def _listar(self, bater: Callable[[], None]) -> None:
        vistos: set[Chave] = set()
        de_quando = 0
        async for objetos, versao in self._kubernetes.paginas():
            bater()
            de_quando = versao
            for corpo in objetos:
                item = ler_item(corpo)
                vistos.add(item.chave)
                self._conhecidos.ver(item, ler_status(corpo))
                conhecido = self._conhecidos.obter(item.chave)
                if conhecido is not None:
                    self._fila.por(conhecido.item)
        for conhecido in self._conhecidos:
            item = conhecido.item
            if item.chave not in vistos and item.versao < de_quando:
                _log.warning("stockitem_vanished_unseen", item=item.chave.dono)
                for encerrado in self._conhecidos.sumiu(replace(item, versao=de_quando)):
                    self._fila.por(encerrado)
        self._conhecidos.varrer_lapides()

    async def _comparar_linhas(self) -> None:
        saldos, _ = await self._banco.ler_saldos(None)
        sozinhas = [s for s in self._saldos.receber(saldos) if self._nossa(s) and s.situacao != "Encerrado"]
        for saldo in sozinhas:
            if saldo.situacao == "Encerrando" and saldo.dono is not None:
                self._fila.por(abandonado(saldo))
        esquecidas = [s for s in sozinhas if s.situacao != "Encerrando"]
        metricas.SEM_STOCKITEM.set(len(esquecidas))
        if esquecidas:
            # They stay sellable: whoever lost the StockItem decides.
            _log.warning("rows_without_stockitem", count=len(esquecidas), skus=[s.sku for s in esquecidas[:20]])

    def _nossa(self, saldo: Saldo) -> bool:
        return not self._namespace or saldo.dono is None or saldo.dono.startswith(f"{self._namespace}/")


async def _dormir(segundos: float, bater: Callable[[], None]) -> None:
    while segundos > 0:
        bater()
        passo = min(segundos, 5.0)
        await asyncio.sleep(passo)
        segundos -= passo
    bater()
