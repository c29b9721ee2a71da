"""Takes what waits in the work set to PostgreSQL, a batch at a time, and acts on what the rows say then."""

import asyncio
from collections.abc import Callable

from operador import metricas
from operador.banco import Banco
from operador.condicoes import status_de_saldo, status_sem_resposta
from operador.conflitos import Conflitos
from operador.conhecidos import Conhecidos
from operador.decisao import Desfecho, avaliar, espera_o_banco
from operador.escritor import Escritor
from operador.fila import Fila
from operador.marcador import Marcador
from operador.recuo import recuo
from operador.relogio import agora_rfc3339
from operador.saldo import Saldo
from operador.sincronizador import Resultado, sincronizar
from operador.stockitem import StockItem
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

LOTE = 500
_PACIENCIA = 5.0
_CONFLITO_SEGUNDOS = 30.0
_BLOCKED_SECONDS = 2.0
_RECUSADO_SEGUNDOS = 60.0
_DIVERGENTE_SEGUNDOS = 0.5
_SEM_BANCO = ("DatabaseUnavailable", "The stock database does not answer; it will be tried again until it does")

_log = logger(__name__)


class Reconciliador:
    """The loop; one runs at a time. `repetir` is the pause, in seconds, between looks at a waiting deletion."""

    def __init__(
        self,
        *,
        banco: Banco,
        fila: Fila,
        conhecidos: Conhecidos,
        conflitos: Conflitos,
        marcador: Marcador,
        escritor: Escritor,
        repetir: float,
    ) -> None:
        self._banco = banco
        self._fila = fila
        self._conhecidos = conhecidos
        self._conflitos = conflitos
        self._marcador = marcador
        self._escritor = escritor
        self._repetir = repetir
        self._quedas = 0

    async def rodar(self, bater: Callable[[], None]) -> None:
        """Runs for ever; calls `bater` each round."""
        while True:
            bater()
            lote = await self._fila.tomar(LOTE, _PACIENCIA)
            metricas.ITENS.set(len(self._conhecidos))
            metricas.ESPERANDO.set(len(self._fila))
            if lote:
                await self._reconciliar([self._conhecidos.mais_novo(item) for item in lote])

    async def _reconciliar(self, lote: list[StockItem]) -> None:
        itens = await self._marcador.marcar(lote)
        try:
            resultado = await sincronizar(self._banco, itens)
        except Exception as falta:
            if not is_transient(falta):
                raise
            await self._banco_fora(itens, falta)
            return
        self._quedas = 0
        await self._agir(resultado)

    async def _agir(self, resultado: Resultado) -> None:
        for item, frase in resultado.recusados:
            self._propor_sem_resposta(item, "Rejected", f"The stock database refuses it: {frase}")
            self._fila.adiar(item, _RECUSADO_SEGUNDOS)
        for item in resultado.blocked:
            _log.warning("item_blocked", item=item.chave.dono, sku=item.sku)
            self._fila.adiar(item, _BLOCKED_SECONDS)
        livres = [item for item, saldo in resultado.feitos if self._concluir(item, saldo) is Desfecho.LIVRE]
        await self._marcador.liberar([item for item in livres if item.marcado and not item.ausente])
        for item in livres:
            self._conflitos.acordar(item.sku)

    def _concluir(self, item: StockItem, saldo: Saldo | None) -> Desfecho:
        """Queues whatever has to follow from what the row says; what it means."""
        desfecho = avaliar(item, saldo)
        match desfecho:
            case Desfecho.DIVERGENTE:
                self._fila.adiar(item, _DIVERGENTE_SEGUNDOS)
            case Desfecho.CONFLITO:
                self._conflitos.anotar(item)
                self._fila.adiar(item, _CONFLITO_SEGUNDOS)
            case Desfecho.ENCERRANDO:
                self._fila.adiar(item, self._repetir)
            case _:
                pass
        if saldo is not None and desfecho not in {Desfecho.LIVRE, Desfecho.DIVERGENTE}:
            self._propor(item, saldo, desfecho)
        return desfecho

    def _propor(self, item: StockItem, saldo: Saldo, desfecho: Desfecho) -> None:
        conhecido = self._conhecidos.obter(item.chave)
        if conhecido is not None:
            status = status_de_saldo(item, saldo, desfecho, conhecido.status, agora_rfc3339())
            self._escritor.propor(item, status)

    def _propor_sem_resposta(self, item: StockItem, motivo: str, mensagem: str) -> None:
        conhecido = self._conhecidos.obter(item.chave)
        if conhecido is not None:
            status = status_sem_resposta(item, conhecido.status, motivo, mensagem, agora_rfc3339())
            self._escritor.propor(item, status)

    async def _banco_fora(self, itens: list[StockItem], falta: Exception) -> None:
        metricas.FALTAS.labels("postgres").inc()
        _log.warning("database_away", waiting=len(self._fila) + len(itens), fault=repr(falta))
        espera = recuo(self._quedas, teto=5.0)
        self._quedas += 1
        for item in itens:
            conhecido = self._conhecidos.obter(item.chave)
            if conhecido is not None and espera_o_banco(item, conhecido.status):
                self._propor_sem_resposta(item, *_SEM_BANCO)
            self._fila.adiar(item, espera)
        await asyncio.sleep(espera)
