"""One of our programs as a separate process, on databases and a broker chosen by a test."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
from waiting import until

from local_system import Ports
from local_system.checks import PLAIN_HTTP


class Program:
    """A running program: the addresses of its API and of its metrics, its process, its log."""

    def __init__(self, name: str, port: int, metrics: int, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.process = process
        self._log = log

    def log(self) -> str:
        """The program's log so far."""
        return self._log.read_text()

    def freeze(self) -> None:
        """Freezes the process, with everything that it holds."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets the process continue."""
        self.process.send_signal(signal.SIGCONT)

    async def ready(self, client: httpx.AsyncClient) -> bool:
        """The answer of its readiness check."""
        try:
            return (await client.get(f"{self.url}/health/ready", timeout=5)).status_code == 200
        except httpx.TransportError:
            return False


@contextlib.asynccontextmanager
async def running(name: str, log: Path, **settings: str) -> AsyncIterator[Program]:
    """`python -m <name>` with these settings, once ready; stopped after the block. Fails if it has ended before."""
    ports = Ports.free()
    port, metrics = ports.pedidos, ports.pedidos_metrics
    env = {**os.environ, **settings, "HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics)}
    with log.open("w") as file:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", name, env=env, stderr=file)
    program = Program(name, port, metrics, process, log)
    try:
        async with httpx.AsyncClient(trust_env=False, verify=PLAIN_HTTP) as client:
            await until(lambda: program.ready(client), 30)
        yield program
        assert process.returncode is None, f"{name} has ended:\n{program.log()[-3000:]}"
    finally:
        if process.returncode is None:
            program.thaw()
            process.terminate()
        await process.wait()


def by_way_of(port: int, url: str) -> str:
    """The URL of a server with another port of 127.0.0.1."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))
