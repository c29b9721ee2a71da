"""What is measured while the machine is busy with something else is measured again."""

from pathlib import Path
from typing import Any, cast

import pytest

from bancada.cpu import OUTROS
from bancada.loja import Loja
from bancada.plano import Cenario, Plano
from bancada.rodadas import TENTATIVAS, em_sossego

NINGUEM = cast(Loja, None)


def cenario(*outros: float) -> Cenario:
    """Measures so much of a core for others, one after the other."""
    vezes = iter(outros)

    def medir(_: Loja, __: Plano) -> dict[str, Any]:
        taxa = next(vezes)
        return {"por_segundo": 100 - taxa, "segundos_medidos": 10.0, "cpu": {OUTROS: 10 * taxa}}

    return Cenario("repouso", medir, ao_fim=lambda _: "")


def test_a_noisy_measurement_is_kept_but_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    medida = em_sossego(NINGUEM, cenario(1.5, 0.2, 0.1), Plano(outros=0.3), 1, tmp_path)
    assert medida["por_segundo"] == 99.8
    assert sorted(arquivo.name for arquivo in tmp_path.iterdir()) == [
        "01-repouso-discarded-1.json",
        "01-repouso.json",
    ]
    assert "150% of a core taken by others: again" in capsys.readouterr().out


def test_the_last_attempt_counts_however_noisy(tmp_path: Path) -> None:
    barulho = [1.0] * (TENTATIVAS - 1) + [0.9]
    assert em_sossego(NINGUEM, cenario(*barulho, 0.0), Plano(outros=0.3), 2, tmp_path)["por_segundo"] == 99.1


def test_nothing_is_measured_again_unless_asked_for(tmp_path: Path) -> None:
    assert em_sossego(NINGUEM, cenario(2.0, 0.0), Plano(), 1, tmp_path)["por_segundo"] == 98
