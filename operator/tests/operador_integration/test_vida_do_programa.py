"""No zombie: a watch or a loop that is dead fails liveness, or ends the program."""

import signal

import pytest

pytestmark = pytest.mark.integration

# Deadlines of seconds instead of minutes; on SIGUSR1 something breaks.
PRELUDIO = """
import asyncio, signal
from operador import app, observador
from operador.banco import Banco
from operador.fila import Fila
from operador.kubernetes import Kubernetes
app._PRAZO, observador._WATCH_SEGUNDOS = 6.0, 1

async def pendurar(*_, **__):
    await asyncio.Event().wait()

async def pendurar_paginas(*_, **__):
    await asyncio.Event().wait()
    yield

def quebrar():
    {quebra}

trabalhar = app._trabalhar

async def vigiado(*argumentos):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, quebrar)
    await trabalhar(*argumentos)

app._trabalhar = vigiado
"""

PENDURAM = {
    "sweep": "Banco.expirar = pendurar",
    "reconcile": "Fila.tomar = pendurar",
    "balances": "Banco.mudados = pendurar_paginas",
    "resync": "Kubernetes.paginas = pendurar_paginas",
    "watch": "observador.Observador._bater = None; "
    "[t.cancel() for t in asyncio.all_tasks() if t.get_name().startswith('watcher for')]",
}


def tarefas(saude):
    return saude[0], [nome for nome in PENDURAM if f'"{nome}"' in saude[1]]


@pytest.mark.parametrize("laco", [nome for nome in PENDURAM if nome != "watch"])
def test_a_loop_that_hangs_fails_liveness(abrir_operador, ate, laco):
    operador = abrir_operador(PRELUDIO.format(quebra=PENDURAM[laco]))
    ate(lambda: operador.saude("ready")[0], 200)
    assert operador.saude("live")[0] == 200
    operador.processo.send_signal(signal.SIGUSR1)
    ate(lambda: tarefas(operador.saude("live")), (503, [laco]), segundos=20)


def test_a_watch_that_dies_fails_liveness_or_ends_the_program(abrir_operador, ate):
    operador = abrir_operador(PRELUDIO.format(quebra=PENDURAM["watch"]))
    ate(lambda: operador.saude("ready")[0], 200)
    operador.processo.send_signal(signal.SIGUSR1)
    ate(
        lambda: operador.processo.poll() == 1 or tarefas(operador.saude("live")) == (503, ["watch"]),
        True,
        segundos=20,
    )


def test_a_loop_that_fails_ends_the_program(abrir_operador, ate):
    operador = abrir_operador(PRELUDIO.format(quebra="Banco.expirar = None"))
    ate(lambda: operador.saude("ready")[0], 200)
    operador.processo.send_signal(signal.SIGUSR1)
    ate(operador.processo.poll, 1)
    assert "'NoneType' object is not callable" in operador.registro.read_text()
