"""No zombies: a dead watch or loop fails liveness, or ends the program."""

import signal

import pytest

pytestmark = pytest.mark.integration

# Deadlines of seconds instead of minutes; on SIGUSR1 something breaks.
PRELUDE = """
import asyncio, signal
from operador import app
from operador.cluster import kopf_disarmed
from operador.cluster.api import ClusterApi
from operador.memory.work_queue import WorkQueue
from operador.stock.database import Database
from reservaestoque.program import Program
app._DEADLINE, kopf_disarmed._WATCH_SECONDS = 6.0, 1

async def hang(*_, **__):
    await asyncio.Event().wait()

async def hang_pages(*_, **__):
    await asyncio.Event().wait()
    yield

def break_it():
    {breakage}

run = Program.run

async def watched(program):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, break_it)
    await run(program)

Program.run = watched
"""

HANGS = {
    "sweep": "Database.sweep = hang",
    "reconcile": "WorkQueue.take = hang",
    "balances": "Database.changed_since = hang",
    "resync": "ClusterApi.pages = hang_pages",
    "watch": "[t.cancel() for t in asyncio.all_tasks() if t.get_name().startswith('watcher for')]",
}


def stalled(health):
    return health[0], [name for name in HANGS if f'"{name}"' in health[1]]


@pytest.mark.parametrize("loop", [name for name in HANGS if name != "watch"])
def test_a_loop_that_hangs_fails_liveness(start_operator, until, loop):
    operator = start_operator(PRELUDE.format(breakage=HANGS[loop]))
    operator.wait_ready()
    assert operator.health("live")[0] == 200
    operator.process.send_signal(signal.SIGUSR1)
    until(lambda: stalled(operator.health("live")), (503, [loop]), seconds=20)


def test_a_watch_that_dies_fails_liveness_or_ends_the_program(start_operator, until):
    operator = start_operator(PRELUDE.format(breakage=HANGS["watch"]))
    operator.wait_ready()
    operator.process.send_signal(signal.SIGUSR1)
    until(
        lambda: operator.process.poll() == 1 or stalled(operator.health("live")) == (503, ["watch"]),
        True,
        seconds=20,
    )


def test_a_loop_that_fails_ends_the_program(start_operator, until):
    operator = start_operator(PRELUDE.format(breakage="Database.sweep = None"))
    operator.wait_ready()
    operator.process.send_signal(signal.SIGUSR1)
    until(operator.process.poll, 1)
    assert "'NoneType' object is not callable" in operator.log.read_text()
