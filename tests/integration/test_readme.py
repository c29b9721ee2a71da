"""What the README says to try works, as it stands there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from local_system import System

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("readme", ["README.md", "README.pt-BR.md"])
def test_what_the_readme_says_to_try(sistema: System, readme: str, tmp_path: Path):
    secao = (ROOT / readme).read_text().split("\n## ")[1]
    blocos = re.findall(r"^```sh\n(.*?)^```", secao, re.M | re.S)
    roteiro = "set -eu\n" + "\n".join(blocos)
    roteiro = roteiro.replace("http://127.0.0.1:8080", sistema.gateway_url)
    roteiro = roteiro.replace(".local/kubeconfig", str(sistema.kubeconfig))
    roteiro = roteiro.replace("carrinho-de-ana-1", readme)
    feito = subprocess.run(
        ["bash", "-c", roteiro],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{sistema.kubectl_path.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert feito.returncode == 0, feito.stderr
    respostas = ('"EstoqueReservado"', '"SkuDesconhecido"', '"Fechado"', "event: status")
    for visto in (*respostas, "SYNCED", "lowStockThreshold"):
        assert visto in feito.stdout, feito.stdout
