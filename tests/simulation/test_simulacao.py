"""A thousand histories, each chosen by a seed, of orders through a bus that loses and parties that die; and the proof
that they would show a mistake: mistakes put into the code on purpose are all found.
"""

import os
from functools import partial
from itertools import cycle

import pytest
from simulacao.campanha import Resultado, correr, correr_lado_a_lado, lado_a_lado, preparar, procurar
from simulacao.mutantes import MUTANTES

from local_system import System

pytestmark = pytest.mark.integration

SEMENTES = range(int(os.environ.get("SIMULATION_SEEDS", "1000")))
LADO_A_LADO = 2

Palco = dict[str, str]


@pytest.fixture(scope="module")
def palcos(backing: System) -> list[Palco]:
    return [preparar(backing, str(numero)) for numero in range(LADO_A_LADO)]


def test_nothing_that_must_never_happen_happens_in_any_history(palcos: list[Palco]):
    resultado = correr_lado_a_lado(palcos, SEMENTES)
    assert resultado.falha is None, resultado.falha
    assert resultado.sementes == len(SEMENTES)
    reached = {
        *("Queda", "ConnectionDoesNotExistError", "lock waited for"),
        *("message lost", "message repeated", "confirm lost", "ForaDoHorizonte"),
        *("EstoqueReservado", "EstoqueNaoDisponivel", "ReservaExpirada", "Fechado", "Cancelado"),
        *("lapse lost of an old command", "question given up", "cancelled unheard"),
        *("PedidoEncerrado", "PedidoJaConhecido", "ReservaVigente", "PedidoMudou"),
    }
    assert reached <= set(resultado.visto), "the histories do not reach what they are for"


def test_a_seed_makes_the_same_history_every_time(palcos: list[Palco]):
    first, second = (correr(palco, range(40, 50)) for palco in palcos)
    assert first == second
    assert first.falha is None, "a history that ends in a crash proves nothing"


@pytest.fixture(scope="module")
def achados(palcos: list[Palco]) -> dict[str, Resultado]:
    """What the seeds make of each mistake, side by side."""
    return dict(lado_a_lado(palcos, [partial(procurar, sementes=SEMENTES, mutante=nome) for nome in MUTANTES]))


@pytest.mark.parametrize("nome", MUTANTES)
def test_a_mistake_put_in_on_purpose_is_found(achados: dict[str, Resultado], nome: str):
    assert achados[nome].falha, f"not found in {len(SEMENTES)} seeds: {MUTANTES[nome].erro}"


def test_a_failure_names_its_seed_and_the_seed_replays_it(palcos: list[Palco], achados: dict[str, Resultado]):
    for nome, palco in zip(["versao-ignorada", "linha-devolvida-duas-vezes"], cycle(palcos)):
        achado = achados[nome]
        assert f"make simulate SEED={achado.culpada}" in achado.falha
        assert correr(palco, [achado.culpada], nome).falha == achado.falha
        assert correr(palco, [achado.culpada]).falha is None, "without the mistake nothing is wrong"
