"""Only what stays the same is wrong; whatever moves, heals or was seen across an outage begins anew."""

from conferir.suspeitos import Suspeitos
from conferir.violacao import Regra, Violacao


def diferenca(detalhe: str, chave: str = "1") -> Violacao:
    return Violacao(Regra.ACORDO, chave, detalhe)


def test_what_stays_for_the_grace_is_wrong_and_told_once():
    suspeitos, uma = Suspeitos(10), diferenca("1 and 2")
    suspeitos.anotar([uma], 0)
    assert suspeitos.rever([uma], [uma], 9.9) == []
    assert suspeitos.rever([uma], [uma], 10) == [uma]
    assert len(suspeitos) == 0


def test_what_heals_is_forgotten_and_begins_anew_when_it_comes_back():
    suspeitos, uma = Suspeitos(10), diferenca("1 and 2")
    suspeitos.anotar([uma], 0)
    assert suspeitos.rever([uma], [], 5) == []
    suspeitos.anotar([uma], 9)
    assert suspeitos.rever([uma], [uma], 18) == []


def test_a_difference_that_changes_is_a_new_one():
    suspeitos, uma, outra = Suspeitos(10), diferenca("1 and 2"), diferenca("2 and 3")
    suspeitos.anotar([uma], 0)
    assert suspeitos.rever([uma], [outra], 11) == []
    assert suspeitos.todos() == [outra]
    assert suspeitos.rever([outra], [outra], 21) == [outra]


def test_after_an_outage_all_clocks_begin_anew():
    suspeitos, uma = Suspeitos(10), diferenca("1 and 2")
    suspeitos.anotar([uma], 0)
    suspeitos.recomecar(60)
    assert suspeitos.rever([uma], [uma], 61) == []
    assert suspeitos.rever([uma], [uma], 70) == [uma]


def test_memory_is_bounded_and_what_found_no_room_is_counted():
    suspeitos = Suspeitos(10, limite=2)
    muitas = [diferenca("x", str(n)) for n in range(5)]
    assert suspeitos.anotar(muitas, 0) == 3
    assert suspeitos.anotar(muitas[:2], 1) == 0
    assert len(suspeitos) == 2
