"""The commands of the README and of the tour work as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_system import System

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def run(system: System, commands: str) -> str:
    """The output of these shell commands, on this system instead of the one that `make up` starts."""
    script = "set -eu\n" + commands
    script = script.replace("http://127.0.0.1:8080", system.gateway_url)
    script = script.replace(".local/kubeconfig", str(system.kubeconfig))
    path = f"{system.kubectl_path.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "RESERVA_URL": system.gateway_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(document: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", document, re.M | re.S))


@pytest.mark.parametrize("readme", ["README.md", "README.pt-BR.md"])
def test_the_order_of_the_readme(system: System, readme: str):
    printed = run(system, commands((ROOT / readme).read_text().split("\n## ")[1]))
    for expected in ('"EstoqueReservado"', "SYNCED", "camiseta-azul-m"):
        assert expected in printed, printed


def test_the_tour(system: System):
    printed = run(system, commands((ROOT / "docs/tour.md").read_text()))
    answers = ('"EstoqueReservado"', '"SkuDesconhecido"', '"Fechado"', "exit code 3")
    for expected in (*answers, "SYNCED", "lowStockThreshold"):
        assert expected in printed, printed
