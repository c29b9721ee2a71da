"""A very short bench of a real system: what it measures is not judged, that it measures is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bancada.cli import main
from bancada.gerador import GeradorError, programa

CENARIOS = ("e2e-quente-3", "metade-uniforme-1", "estoque-quente-1", "vencimento")
pytestmark = pytest.mark.integration


@pytest.fixture
def gerador() -> None:
    """`make test` installs it where it can."""
    try:
        programa()
    except GeradorError as falta:
        pytest.skip(str(falta))


@pytest.mark.usefixtures("gerador")
def test_a_short_bench_prints_its_tables_and_keeps_what_it_has_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    esforco = ["--rounds=1", "--seconds=3", "--connections=16", "--ready=2000", "--lapsing=500"]
    assert main(["medir", f"--scenarios={','.join(CENARIOS)}", *esforco, f"--folder={tmp_path}"]) == 0
    saida = capsys.readouterr().out
    [dados] = tmp_path.glob("2*")
    for nome in CENARIOS:
        medida: dict[str, Any] = json.loads((dados / f"01-{nome}.json").read_text())
        assert medida["por_segundo"] > 0, nome
        assert medida["conferir"].endswith("no violations"), nome
        assert re.search(rf"^\| {nome} +\|", saida, re.M), nome
        assert medida["cpu"], nome
    metade = json.loads((dados / "01-metade-uniforme-1.json").read_text())
    ritmo = metade["cliente"]["total"] / metade["cliente"]["segundos"]
    assert ritmo == pytest.approx(metade["por_segundo_pedido"], rel=0.1)
    vencimento = json.loads((dados / "01-vencimento.json").read_text())
    assert 0 < vencimento["segundos_ate_varrer"] < 60
    assert re.search(r"^\| all lapse at once, until all are swept \(s\) +\|", saida, re.M)
    assert json.loads((dados / "ambiente.json").read_text())["plano"]["segundos"] == 3
    assert (dados / "tabelas.md").read_text() in saida + "\n"


def test_past_orders_are_as_the_services_would_have_left_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crescer", "--pedidos=1000", "--skus=300", f"--folder={tmp_path}"]) == 0
    saida = capsys.readouterr().out
    assert "300 SKUs, 1000 orders with their lines, 1000 orders in both" in saida
    assert "no violations" in saida


def test_an_unknown_scenario_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["medir", "--scenarios=nada", f"--folder={tmp_path}"]) == 1
    assert "there is no scenario 'nada'" in capsys.readouterr().err
