"""Whose CPU time it was."""

import os

import pytest

from bancada.cpu import OUTROS, Amostra, Uso, amostrar, gastos, memoria, nomear


@pytest.mark.parametrize(
    ("parte", "comando", "nome"),
    [
        ("pedidos-1", "python -m pedidos", "pedidos-1"),
        ("postgres-estoque", "/usr/bin/postgres -D data -p 1", "postgres-estoque"),
        ("postgres-estoque", "postgres: estoque estoque 127.0.0.1(40388) idle", "postgres-estoque: estoque"),
        ("postgres-estoque", "postgres: checkpointer ", "postgres-estoque: checkpointer"),
    ],
)
def test_a_process_is_named_for_what_it_does(parte: str, comando: str, nome: str) -> None:
    assert nomear(parte, comando) == nome


def test_processes_of_one_name_are_added_up_and_the_rest_is_others() -> None:
    antes = Amostra({1: Uso("wrk", 1.0), 2: Uso("estoque-1", 5.0)}, ocupado=100.0)
    novo, parado = Uso("estoque-1", 1.0), Uso("idle", 0.0)
    depois = Amostra({1: Uso("wrk", 1.5), 2: Uso("estoque-1", 7.0), 3: novo, 4: parado}, ocupado=110.0)
    assert gastos(antes, depois) == {OUTROS: 6.5, "estoque-1": 3.0, "wrk": 0.5}


def test_memory_is_added_up_where_it_is_not_shared() -> None:
    mib = 2**20
    usos = [
        Uso("gateway", 0, 10 * mib),
        Uso("rabbitmq", 0, mib),
        Uso("rabbitmq", 0, 2 * mib),
        Uso("postgres-x: a", 0, mib),
    ]
    assert memoria(Amostra(dict(enumerate(usos)), ocupado=0)) == {"gateway": 10.0, "rabbitmq": 3.0}


def test_our_own_time_is_found() -> None:
    antes = amostrar({}, {"teste": os.getpid()})
    total = sum(n * n for n in range(1_000_000))
    depois = amostrar({}, {"teste": os.getpid()})
    assert total
    assert gastos(antes, depois)["teste"] > 0
    assert memoria(depois)["teste"] > 1
