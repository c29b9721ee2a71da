"""Brings balances that changed into the statuses of their StockItems."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from operador import metricas
from operador.banco import Banco
from operador.condicoes import status_de_saldo
from operador.conflitos import Conflitos
from operador.conhecidos import Conhecidos
from operador.decisao import Desfecho, avaliar
from operador.escritor import Escritor
from operador.fila import Fila
from operador.recuo import recuo
from operador.relogio import agora_rfc3339
from operador.saldo import Saldo
from operador.stockitem import Chave
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

FOLGA = 4.0
"""Pause after each page of balances, in times of what it took: orders, which work on the same rows, hardly notice."""

_log = logger(__name__)


class Saldos:
    """What is done with balances, and the loop that reads those that changed."""

    def __init__(
        self, *, banco: Banco, conhecidos: Conhecidos, conflitos: Conflitos, fila: Fila, escritor: Escritor
    ) -> None:
        self._banco = banco
        self._conhecidos = conhecidos
        self._conflitos = conflitos
        self._fila = fila
        self._escritor = escritor
        self._desde: datetime | None = None
        self._recebidos: dict[str, datetime | None] = {}

    def comecar(self, desde: datetime) -> None:
        """All changes before this instant have been received; the loop reads what changed since."""
        self._desde, self._recebidos = desde, {}

    async def rodar(self, intervalo: float, bater: Callable[[], None]) -> None:
        """Runs for ever, every `intervalo` seconds, once `comecar` was called; calls `bater` each round."""
        quedas = 0
        while True:
            bater()
            try:
                if self._desde is not None:
                    await self._ler_mudados(self._desde, bater)
            except Exception as falta:
                if not is_transient(falta):
                    raise
                metricas.FALTAS.labels("postgres").inc()
                _log.warning("balances_not_read", fault=repr(falta))
                await asyncio.sleep(recuo(quedas, teto=5.0))
                quedas += 1
                continue
            quedas = 0
            await asyncio.sleep(intervalo)

    async def _ler_mudados(self, desde: datetime, bater: Callable[[], None]) -> None:
        agora = await self._banco.agora()
        antes, recebidos = self._recebidos, dict[str, datetime | None]()
        comeco = time.monotonic()
        async for saldos in self._banco.mudados(desde):
            for saldo in saldos:
                recebidos[saldo.sku] = saldo.alterado_em
                if antes.get(saldo.sku) != saldo.alterado_em:  # each change is read for some seconds
                    self.receber(saldo)
            bater()
            await asyncio.sleep(min(1.0, FOLGA * (time.monotonic() - comeco)))
            comeco = time.monotonic()
        if self._desde is desde:  # else a resync, which may have proposed older numbers, wants them read again
            self._desde, self._recebidos = agora, recebidos

    def receber(self, saldo: Saldo) -> bool:
        """Proposes the status that follows; whether a known StockItem declares this row."""
        if saldo.dono is None:
            self._conflitos.acordar(saldo.sku)
            return False
        conhecido = self._conhecidos.obter(Chave.de_dono(saldo.dono))
        if conhecido is None or conhecido.item.sku != saldo.sku:
            return False
        item = conhecido.item
        desfecho = avaliar(item, saldo)
        if desfecho is Desfecho.DIVERGENTE:
            self._fila.por(item)
        else:
            self._escritor.propor(item, status_de_saldo(item, saldo, desfecho, conhecido.status, agora_rfc3339()))
        return True
