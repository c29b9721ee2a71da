"""docs/performance.md keeps up with the bench."""

import re
import shlex
from fnmatch import fnmatch

import pytest

from bancada.cenarios import CENARIOS, GRUPOS, escolher
from bancada.cli import parser
from local_system.config import ROOT

TEXTO = (ROOT / "docs" / "performance.md").read_text()
MODELOS = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.+?) \|", TEXTO.split("## Scenarios")[1], re.M)))


@pytest.mark.parametrize("nome", CENARIOS)
def test_every_scenario_is_described(nome: str) -> None:
    assert [modelo for modelo in MODELOS if fnmatch(nome, modelo)]


@pytest.mark.parametrize("modelo", MODELOS)
def test_what_is_described_is_a_scenario(modelo: str) -> None:
    assert [nome for nome in CENARIOS if fnmatch(nome, modelo)]


def test_every_group_is_named() -> None:
    assert all(f"`{grupo}`" in TEXTO for grupo in GRUPOS)


def test_commands_are_understood() -> None:
    comandos = [
        linha.split("#")[0].strip() for linha in TEXTO.split("```sh")[1].split("```")[0].splitlines() if linha
    ]
    for comando in comandos:
        palavras = shlex.split(comando)
        if palavras[0] == "make":
            valores = dict(palavra.split("=", 1) for palavra in palavras[2:])
            escolher(valores.pop("SCENARIOS", "padrao"))
            parser().parse_args(["medir", *shlex.split(valores.pop("BENCH", ""))])
            assert set(valores) <= {"ROUNDS", "SECONDS"}, comando
        else:
            assert palavras[:3] == [".venv/bin/python", "-m", "bancada"]
            parser().parse_args(palavras[3:])
