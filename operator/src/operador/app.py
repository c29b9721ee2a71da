"""Wires the operator and runs it: all its loops live and die together."""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from typing import Any

from operador.anunciante import Anunciante
from operador.banco import Banco
from operador.conflitos import Conflitos
from operador.conhecidos import Conhecidos
from operador.escritor import Escritor
from operador.expiracao import Atraso, Expiracao
from operador.fila import Fila
from operador.kubernetes import Kubernetes, abrir
from operador.marcador import Marcador
from operador.observador import Observador
from operador.pulso import Pulsos
from operador.reconciliador import Reconciliador
from operador.ressincronia import Ressincronia
from operador.saldos import Saldos
from operador.saude import servir
from operador.settings import OperadorSettings
from reservaestoque.postgres import Connector, ServerWatch, open_pool
from reservaestoque.telemetry import logger

_STATEMENT_SECONDS = 30.0
_IDLE_SECONDS = 60.0
"""A resync reads all balances page by page in one transaction, and compares each page before it fetches the next."""
POOL_CONNECTIONS = 6
CONNECTIONS = POOL_CONNECTIONS + 1
"""With one for the watch. The charts count on it."""
_ESCRITORES = 24
_PRESSA = 100
_PRAZO = 120.0
_PARADA_SEGUNDOS = 8.0

_log = logger(__name__)


class TarefaAcabouError(Exception):
    """A task that should run for ever has ended, or a library has cancelled it."""


async def rodar(settings: OperadorSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises an ExceptionGroup when any part fails: half an operator is none."""
    parar = asyncio.Event()
    _tomar_sinais(parar)
    async with (
        abrir(settings.namespace, settings.kubeconfig) as kubernetes,
        await open_pool(
            settings.database_url,
            program="operador",
            size=POOL_CONNECTIONS,
            statement_seconds=_STATEMENT_SECONDS,
            idle_seconds=_IDLE_SECONDS,
        ) as pool,
    ):
        watch = ServerWatch(Connector(settings.database_url), pool, program="operador")
        await _trabalhar(settings, kubernetes, Banco(pool), watch, parar)
    _log.info("stopped")


def _tomar_sinais(parar: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def pedir() -> None:
        parar.set()
        loop.call_later(_PARADA_SEGUNDOS, _desistir)

    for sinal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sinal, pedir)


def _desistir() -> None:
    """A server that hangs must not hold us up. Nothing is lost: all we know is in PostgreSQL and in the API."""
    _log.error("stop_took_too_long", seconds=_PARADA_SEGUNDOS)
    os._exit(1)


async def _trabalhar(
    settings: OperadorSettings, kubernetes: Kubernetes, banco: Banco, watch: ServerWatch, parar: asyncio.Event
) -> None:
    pulsos, conhecidos, fila = Pulsos(time.monotonic), Conhecidos(), Fila(time.monotonic)
    conflitos = Conflitos(conhecidos, fila)
    anunciante = Anunciante(kubernetes)
    escritor = Escritor(kubernetes, conhecidos, fila, anunciante)
    saldos = Saldos(banco=banco, conhecidos=conhecidos, conflitos=conflitos, fila=fila, escritor=escritor)
    ressincronia = Ressincronia(
        kubernetes=kubernetes,
        banco=banco,
        conhecidos=conhecidos,
        fila=fila,
        saldos=saldos,
        namespace=settings.namespace,
    )
    reconciliador = Reconciliador(
        banco=banco,
        fila=fila,
        conhecidos=conhecidos,
        conflitos=conflitos,
        marcador=Marcador(kubernetes, conhecidos, fila),
        escritor=escritor,
        repetir=settings.status_interval.total_seconds(),
    )
    observador = Observador(
        conhecidos=conhecidos,
        fila=fila,
        settings=settings,
        bater=pulsos.registrar("watch", _PRAZO),
        vigiar=ressincronia.vigiar,
    )
    tarefas = {
        "sweep": Expiracao(banco, Atraso(time.monotonic), pulsos.registrar("sweep", _PRAZO)).rodar(
            settings.expiry_interval.total_seconds()
        ),
        "reconcile": reconciliador.rodar(pulsos.registrar("reconcile", _PRAZO)),
        "balances": saldos.rodar(
            settings.status_interval.total_seconds(),
            pulsos.registrar("balances", _PRAZO + settings.status_interval.total_seconds()),
        ),
        "resync": ressincronia.rodar(settings.resync_interval.total_seconds(), pulsos.registrar("resync", _PRAZO)),
        "watch": observador.rodar(ressincronia.definida, lambda: _tomar_sinais(parar)),
    }
    tarefas["database"] = watch.run()
    tarefas["events"] = anunciante.trabalhar(lambda: escritor.esperando > _PRESSA)
    tarefas |= {f"status-{n}": escritor.trabalhar() for n in range(_ESCRITORES)}
    async with servir(settings.host, settings.port, pulsos, _Prontidao(banco, ressincronia, fila).faltando):
        _log.info("started", namespace=settings.namespace or "all")
        await _ate(parar, tarefas)


class _Prontidao:
    """Ready once the database answers and every StockItem was compared with its row and put right."""

    def __init__(self, banco: Banco, ressincronia: Ressincronia, fila: Fila) -> None:
        self._banco, self._ressincronia, self._fila = banco, ressincronia, fila
        self._em_dia = False

    async def faltando(self) -> list[str]:
        self._em_dia = self._em_dia or (self._ressincronia.comparada.is_set() and self._fila.prontos == 0)
        falta = [] if self._em_dia else ["not all StockItems have been compared with their rows yet"]
        return falta if await self._banco.alcancavel() else [*falta, "the database does not answer"]


async def _ate(parar: asyncio.Event, tarefas: dict[str, Coroutine[Any, Any, None]]) -> None:
    """Runs all tasks until `parar` is set; raises when one of them fails or ends."""
    async with asyncio.TaskGroup() as grupo:  # noqa: TID251 - the program ends with it
        rodando = [grupo.create_task(_para_sempre(nome, tarefa), name=nome) for nome, tarefa in tarefas.items()]
        await parar.wait()
        _log.info("stopping")
        for tarefa in rodando:
            tarefa.cancel()


async def _para_sempre(nome: str, tarefa: Coroutine[Any, Any, None]) -> None:
    eu = asyncio.current_task()
    try:
        await tarefa
    except asyncio.CancelledError as cancelada:
        if eu and eu.cancelling():
            raise
        # The group would take this for an end in good order, and the others would go on without it.
        raise TarefaAcabouError(f"{nome} was cancelled by nobody here") from cancelada
    raise TarefaAcabouError(f"{nome} has ended by itself")
