"""Measures how attacks on the gateway affect other customers: `python -m bench abuse`.

Customers send requests at a fixed rate, regardless of earlier ones. Latency counts from when a request was due.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import psutil

from bench.attacks import ATTACKS, HOST
from bench.shop import BenchError
from bench.tables import to_markdown
from local_system import Config, Ports, System

CUSTOMERS, PER_SECOND = 20, 60
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MEGABYTE = 1_000_000
_PATIENCE_SECONDS = 20


@dataclass
class Experience:
    """milliseconds: latency of each answer, from when its request was due. failures: descriptions of errors."""

    milliseconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """The latency in milliseconds that this share of the answers does not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass(frozen=True)
class Trial:
    """One attack, or none: the customers' latencies, the attacker's tally, the memory of each program in MB."""

    name: str
    customers: Experience
    attacker: Mapping[str, int]
    memory: Mapping[str, float]


async def customers(url: str, tokens: Mapping[str, str], seconds: float, per_second: int = PER_SECOND) -> Experience:
    """Customers, by name and token, list their orders; every fourth request places one. Each has one connection."""
    found = Experience()
    names = list(tokens)
    async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(number: int, due: float) -> None:
            name = names[number % len(names)]
            headers = {"Authorization": f"Bearer {tokens[name]}"}
            order = {"clienteId": name, "itens": [{"sku": "NAO-HA", "quantidade": 1}]}
            places = number % 4 == 0
            request = (
                session.post(f"{url}/pedidos", json=order, headers=headers)
                if places
                else session.get(f"{url}/pedidos", params={"clienteId": name, "limite": "1"}, headers=headers)
            )
            try:
                async with request as answer:
                    await answer.read()
                    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                        found.failures.append(f"{answer.status}")
            except (aiohttp.ClientError, TimeoutError) as error:
                found.failures.append(type(error).__name__)
            found.milliseconds.append((time.monotonic() - due) * 1000)

        began = time.monotonic()
        tasks = []
        for number in range(int(seconds * per_second)):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(send(number, due)))
        await asyncio.gather(*tasks)
    return found


@contextmanager
def attack(name: str, port: int, token: str, tally: dict[str, int]) -> Iterator[None]:
    """Runs an attack for the duration of the block; then `tally` has its figures."""
    argv = [sys.executable, "-m", "bench.attacks", name, str(port), token]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout:
            process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
            try:
                output, _ = process.communicate(timeout=_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            tally.update(json.loads(output))


def trial(
    name: str,
    port: int,
    tokens: Mapping[str, str],
    attacker_token: str,
    seconds: float,
    memory: Callable[[], dict[str, float]],
) -> Trial:
    """Runs customers for some seconds during an attack (`none`: without one).

    The attack starts one second earlier, `idle` three seconds earlier.
    """
    tally: dict[str, int] = {}

    def served() -> tuple[Experience, dict[str, float]]:
        found = asyncio.run(customers(f"http://{HOST}:{port}", tokens, seconds))
        return found, memory()

    if name == "none":
        experience, used = served()
    else:
        with attack(name, port, attacker_token, tally):
            time.sleep(3 if name == "idle" else 1)
            experience, used = served()
    return Trial(name, experience, tally, used)


def report(trials: Sequence[Trial]) -> str:
    """The trials as tables."""
    rows = [
        [
            one.name,
            f"{len(one.customers.milliseconds)}",
            f"{len(one.customers.failures)}",
            f"{one.customers.quantile(0.5):.1f}",
            f"{one.customers.quantile(0.99):.1f}",
            ", ".join(f"{what}: {count}" for what, count in sorted(one.attacker.items())) or "-",
        ]
        for one in trials
    ]
    programs = sorted({name for one in trials for name in one.memory})
    used = [[one.name, *(f"{one.memory.get(name, 0):.0f}" for name in programs)] for one in trials]
    heads = ["attack", "requests of customers", "failed", "p50 (ms)", "p99 (ms)", "the attacker"]
    return (
        f"{to_markdown([heads, *rows])}\n\nMemory in MB, resident:\n\n{to_markdown([['attack', *programs], *used])}"
    )


def run(folder: Path, seconds: float, names: Sequence[str]) -> str:
    """Starts a local system that checks tokens and limits each client, tries each attack, prints the tables."""
    config = Config(state=folder / "abuse", ports=Ports.free(), jwt=True, limits=True)
    with System(config) as system:
        issuer = system.layout.issuer()
        tokens = {f"cliente-{n}": issuer.token(f"cliente-{n}") for n in range(CUSTOMERS)}

        def memory() -> dict[str, float]:
            return {
                part: psutil.Process(state.pid).memory_info().rss / _MEGABYTE
                for part, state in system.states().items()
                if state.pid and part.startswith(("gateway", "pedidos", "estoque"))
            }

        port = system.layout.ports.gateway
        warm = trial("none", port, tokens, "", 2, memory)
        if warm.customers.failures:
            raise BenchError(f"customers fail without an attack: {warm.customers.failures[0]}")
        found = [trial(name, port, tokens, issuer.token("thief"), seconds, memory) for name in ("none", *names)]
        return report([*found, trial("none", port, tokens, "", seconds, memory)])


NAMES = tuple(ATTACKS)
