"""The broker from its administrator's side: connections, the alarm that blocks publishers, its commands."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from local_system import System, rabbitmq
from local_system.checks import PLAIN_HTTP


async def connection_names(system: System) -> list[str]:
    """The names of the connections that the broker reports; it updates them every five seconds."""
    async with httpx.AsyncClient(
        base_url=system.rabbitmq_management_url, trust_env=False, verify=PLAIN_HTTP
    ) as client:
        connections = (await client.get("/api/connections")).raise_for_status().json()
    return [(connection.get("client_properties") or {}).get("connection_name", "") for connection in connections]


@asynccontextmanager
async def memory_alarm(system: System) -> AsyncIterator[None]:
    """Inside the block, the broker accepts no messages, as if its memory had run out."""
    await rabbitmqctl(system, "set_vm_memory_high_watermark", "absolute", "1")
    try:
        yield
    finally:
        await rabbitmqctl(system, "set_vm_memory_high_watermark", "absolute", rabbitmq.MEMORY)


def evaluate(system: System, expression: str) -> None:
    """Runs an Erlang expression on the broker. Raises RuntimeError."""
    [broker] = [part for part in rabbitmq.parts(system.layout) if part.name == "rabbitmq"]
    argv = [rabbitmq.server().with_name("rabbitmqctl"), "eval", expression]
    done = subprocess.run(argv, env={**os.environ, **broker.env}, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout.strip() != "ok":
        raise RuntimeError(f"{expression}: {done.stdout}{done.stderr}")


async def rabbitmqctl(system: System, *arguments: str) -> None:
    """Runs a command on the broker. Raises RuntimeError with its output."""
    [broker] = [part for part in rabbitmq.parts(system.layout) if part.name == "rabbitmq"]
    process = await asyncio.create_subprocess_exec(
        rabbitmq.server().with_name("rabbitmqctl"),
        *arguments,
        env={**os.environ, **broker.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"rabbitmqctl {arguments}: {output.decode()}")
