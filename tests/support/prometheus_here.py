"""Prometheus on this machine: its HTTP API, a server for a few targets, and alerts on a scale of seconds."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import libyaml
import pytest
from waiting import until

from local_system import Ports
from local_system.ports import HOST

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
SCRAPE_SECONDS = 1
WINDOW = "15s"
PATIENCE_SECONDS = 5


class Prometheus:
    """The server's HTTP API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **params: Any) -> Any:
        """The data that the API answers with."""
        return (await self._client.get(f"/api/v1/{path}", params=params)).raise_for_status().json()["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        return (await self.get("query", query=expression))["result"]

    async def holds(self, alert: str, **labels: str) -> bool:
        """Whether the expression of an alert is true now for series with these labels."""
        found = [series["metric"] for series in await self.query(expression(alert))]
        return any(labels.items() <= series.items() for series in found)

    async def raised(self, alert: str, seconds: float = 120, **labels: str) -> None:
        """Waits until the expression of an alert is true."""
        await until(lambda: self.holds(alert, **labels), seconds, every=SCRAPE_SECONDS / 2)

    async def subsides(self, alert: str, seconds: float = 120, **labels: str) -> None:
        """Waits until the expression of an alert is false: an earlier fault is over, and Prometheus has seen that."""

        async def over() -> bool:
            return not await self.holds(alert, **labels)

        await until(over, seconds, every=SCRAPE_SECONDS / 2)


@asynccontextmanager
async def prometheus_on(port: int) -> AsyncIterator[Prometheus]:
    """The API of the server on this port, once it answers queries."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30, trust_env=False) as client:
        await until(lambda: _ready(client), 60)
        yield Prometheus(client)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).is_success
    except httpx.TransportError:
        return False


@contextmanager
def scraping(folder: Path, path: str, ports: Sequence[int]) -> Iterator[int]:
    """The port of a server that scrapes this path on these ports every second. Skips the test if there is none."""
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is missing: install the package prometheus")
    port = Ports.free().prometheus
    scrape = {
        "job_name": "here",
        "metrics_path": path,
        "static_configs": [{"targets": [f"{HOST}:{target}" for target in ports]}],
    }
    file = folder / "prometheus.json"
    file.write_text(
        json.dumps(
            {
                "global": dict.fromkeys(("scrape_interval", "scrape_timeout"), f"{SCRAPE_SECONDS}s"),
                "scrape_configs": [scrape],
            }
        )
    )
    argv = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    with (
        (folder / "prometheus.log").open("wb") as log,
        subprocess.Popen([*argv, f"--web.listen-address={HOST}:{port}"], stdout=log, stderr=log) as process,
    ):
        try:
            yield port
        finally:
            process.terminate()


def expression(alert: str) -> str:
    """The expression of an alert, on a scale of seconds: rates over WINDOW, ages above PATIENCE_SECONDS, no `for`.

    Recorded series are replaced by their expressions.
    """
    rules = [rule for group in libyaml.load(RULES.read_text())["groups"] for rule in group["rules"]]
    [found] = [rule["expr"] for rule in rules if rule.get("alert") == alert]
    for name in dict.fromkeys(re.findall(r"reservaestoque:[\w:]+", found)):
        recorded = [_labelled(rule["expr"], rule.get("labels", {})) for rule in rules if rule.get("record") == name]
        found = found.replace(name, f"({' or '.join(recorded)})")
    found = re.sub(r"\[\d+[mh]\]", f"[{WINDOW}]", found)
    return re.sub(r"(_seconds\)) > \d+(?= |$)(?! \*)", rf"\1 > {PATIENCE_SECONDS}", found)


def _labelled(recorded: str, labels: Mapping[str, str]) -> str:
    text = f"({recorded})"
    for name, value in labels.items():
        text = f'label_replace({text}, "{name}", "{value}", "", "")'
    return text
