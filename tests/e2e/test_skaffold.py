"""What a developer does: skaffold deploys the system, and a changed line is live in the pod without a new image."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import Cluster, Instalacao, executar, exigir
from cluster.ferramentas import ROOT
from cluster.instalacao import imagens_alheias
from loja import Loja, abrir_loja, ate

pytestmark = pytest.mark.skaffold

LINHA = "Orders that pass the filters"


@pytest.fixture(scope="module")
def copia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of this checkout, in a folder where files may be changed."""
    pasta = tmp_path_factory.mktemp("copia")
    for nome in executar("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        (pasta / nome).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / nome).exists():
            shutil.copy2(ROOT / nome, pasta / nome, follow_symlinks=False)
    return pasta


@pytest.fixture(scope="module")
def vazio(cluster: Cluster) -> Instalacao:
    """A cluster on which nothing of ours is installed by the tests themselves."""
    exigir(["skaffold"])
    cluster.carregar(*imagens_alheias())
    return Instalacao(cluster, "")


async def test_skaffold_run_deploys_a_system_that_passes_helm_test(vazio: Instalacao, copia: Path):
    argv = ["skaffold", "run", "--profile=e2e"]
    await asyncio.to_thread(subprocess.run, argv, cwd=copia, env=ambiente(vazio), check=True)
    async with abrir_loja(vazio) as loja:
        await loja.declarar("S-A", 3)
        assert (await loja.pedir(**{"S-A": 1})).json()["status"] == "EstoqueReservado"


async def test_a_changed_line_of_python_is_live_by_sync_within_seconds(
    vazio: Instalacao, copia: Path, tmp_path: Path, dizer: Callable[[str], None]
):
    rotas = copia / "services/pedidos/src/pedidos/rotas.py"
    with skaffold_dev(vazio, copia, tmp_path / "skaffold.log") as log:
        async with abrir_loja(vazio) as loja:
            await ate(lambda: pronto(log), 420)
            pod = [um["metadata"]["uid"] for um in vazio.pods("pedidos")]
            antes = rotas.read_text()
            assert LINHA in antes
            rotas.write_text(antes.replace(LINHA, "Changed while it runs"))
            mudada = time.monotonic()
            await ate(lambda: mostra(loja, "Changed while it runs"), 60)
            dizer(f"a changed line is live after {time.monotonic() - mudada:.1f} s")
            assert [um["metadata"]["uid"] for um in vazio.pods("pedidos")] == pod


async def pronto(log: Path) -> bool:
    return "Watching for changes" in await asyncio.to_thread(log.read_text)


async def mostra(loja: Loja, texto: str) -> bool:
    """Whether what pedidos says of itself, through the gateway, has this text."""
    return texto in (await loja.client.get("/schema/pedidos/openapi.json")).text


def ambiente(vazio: Instalacao) -> dict[str, str]:
    return {**os.environ, **vazio.cluster.ambiente}


@contextmanager
def skaffold_dev(vazio: Instalacao, copia: Path, log: Path) -> Iterator[Path]:
    """`skaffold dev` at work; what it prints goes to `log`."""
    with log.open("w") as saida:
        argv = ["skaffold", "dev", "--cleanup=false", "--port-forward=off"]
        processo = subprocess.Popen(argv, cwd=copia, env=ambiente(vazio), stdout=saida, stderr=subprocess.STDOUT)
        try:
            yield log
        finally:
            processo.send_signal(signal.SIGINT)
            processo.wait(60)
