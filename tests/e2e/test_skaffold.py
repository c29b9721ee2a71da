"""A developer's workflow: skaffold deploys the system, and a changed line is live in the pod without a new image."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cluster import Cluster, Installation, require, run
from cluster.installation import third_party_images
from cluster.tools import ROOT
from shop import Shop, open_shop
from waiting import until

pytestmark = pytest.mark.skaffold

LINE = "Orders that match the filters"


@pytest.fixture(scope="module")
def copy(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files of this checkout, in a folder where they may be changed; its gateway serves this address."""
    folder = tmp_path_factory.mktemp("copy")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    values, listed = folder / "k8s/kind/values.yaml", "[localhost, 127.0.0.1]"
    assert listed in values.read_text()
    values.write_text(values.read_text().replace(listed, f"[{urlsplit(cluster.gateway_url).hostname}]"))
    return folder


@pytest.fixture(scope="module")
def empty(cluster: Cluster) -> Installation:
    """A cluster on which the tests themselves install nothing of ours."""
    require(["skaffold"])
    cluster.load(*third_party_images())
    return Installation(cluster, "")


async def test_skaffold_run_deploys_a_system_that_passes_helm_test(empty: Installation, copy: Path):
    argv = ["skaffold", "run", "--profile=e2e"]
    await asyncio.to_thread(subprocess.run, argv, cwd=copy, env=environment(empty), check=True)
    async with open_shop(empty) as shop:
        await shop.declare("S-A", 3)
        assert (await shop.order(**{"S-A": 1})).json()["status"] == "EstoqueReservado"


async def test_a_changed_line_of_python_is_live_by_sync_within_seconds(
    empty: Installation, copy: Path, tmp_path: Path, say: Callable[[str], None]
):
    routes = copy / "services/pedidos/src/pedidos/routes.py"
    with skaffold_dev(empty, copy, tmp_path / "skaffold.log") as log:
        async with open_shop(empty) as shop:
            await until(lambda: is_ready(log), 420)
            pod = [one["metadata"]["uid"] for one in empty.pods("pedidos")]
            before = routes.read_text()
            assert LINE in before
            routes.write_text(before.replace(LINE, "Changed while it runs"))
            changed_at = time.monotonic()
            await until(lambda: shows(shop, "Changed while it runs"), 60)
            say(f"a changed line is live after {time.monotonic() - changed_at:.1f} s")
            assert [one["metadata"]["uid"] for one in empty.pods("pedidos")] == pod


async def is_ready(log: Path) -> bool:
    return "Watching for changes" in await asyncio.to_thread(log.read_text)


async def shows(shop: Shop, text: str) -> bool:
    """Whether pedidos' OpenAPI document, through the gateway, contains this text."""
    return text in (await shop.client.get("/schema/pedidos/openapi.json")).text


def environment(empty: Installation) -> dict[str, str]:
    return {**os.environ, **empty.cluster.environment}


@contextmanager
def skaffold_dev(empty: Installation, copy: Path, log: Path) -> Iterator[Path]:
    """Runs `skaffold dev`; its output goes to `log`."""
    with log.open("w") as output:
        argv = ["skaffold", "dev", "--cleanup=false", "--port-forward=off"]
        process = subprocess.Popen(argv, cwd=copy, env=environment(empty), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
