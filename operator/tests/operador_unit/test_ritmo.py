from operador.ritmo import INTERVALO, RAJADA, Ritmo


def test_single_changes_are_written_at_once():
    ritmo, agora = Ritmo(), 1000.0
    for _ in range(100):
        assert ritmo.espera(agora) == 0
        ritmo = ritmo.gastar(agora)
        agora += INTERVALO


def test_a_busy_item_is_written_every_few_seconds():
    ritmo, agora, escritas = Ritmo(), 1000.0, 0
    for _ in range(600):  # a change each 0.1 s for a minute
        if ritmo.espera(agora) == 0:
            ritmo, escritas = ritmo.gastar(agora), escritas + 1
        agora += 0.1
    assert RAJADA <= escritas <= RAJADA + 60 / INTERVALO


def test_the_last_change_waits_no_longer_than_the_interval():
    ritmo = Ritmo()
    for _ in range(int(RAJADA)):
        ritmo = ritmo.gastar(1000.0)
    assert ritmo.espera(1000.0) == INTERVALO
    assert ritmo.espera(1000.0 + INTERVALO) == 0
