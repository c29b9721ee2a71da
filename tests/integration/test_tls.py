"""The programs on a database and a broker that prove their identity, or fail to."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from certificates import Authority, Certificate, postgres_with, rabbitmq_with
from program import running
from shop import until

from local_system import System

pytestmark = pytest.mark.integration

HERE = "IP:127.0.0.1"
ORDER = {"clienteId": "ana", "itens": [{"sku": "TLS-NAO-HA", "quantidade": 1}]}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "stranger")


Addresses = dict[str, str]


@contextlib.asynccontextmanager
async def secured(system: System, certificate: Certificate) -> AsyncIterator[Addresses]:
    """Addresses at which each server speaks only TLS, with this certificate."""
    async with (
        postgres_with(system, "pedidos", certificate) as pedidos,
        postgres_with(system, "estoque", certificate) as estoque,
    ):
        with rabbitmq_with(system, certificate) as broker:
            yield {"pedidos": pedidos, "estoque": estoque, "broker": broker}


@pytest.fixture
async def addresses(backing: System, authority: Authority) -> AsyncIterator[Addresses]:
    async with secured(backing, authority.sign(HERE)) as addresses:
        yield addresses


def service(name: str, addresses: Addresses, authority: Authority, **others: str) -> dict[str, str]:
    file = str(authority.file)
    urls = {"DATABASE_URL": addresses[name], "AMQP_URL": addresses["broker"]}
    return {**urls, "DATABASE_CA_FILE": file, "AMQP_CA_FILE": file, **others}


async def ended(*arguments: str, **settings: str) -> tuple[int | None, str]:
    """The exit code and the output of `python -m …`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", *arguments),
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode()


@pytest.fixture
async def both(addresses: Addresses, authority: Authority, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """pedidos and estoque with TLS everywhere; the client connects to pedidos."""
    async with (
        running("estoque", tmp_path / "estoque.log", **service("estoque", addresses, authority)),
        running("pedidos", tmp_path / "pedidos.log", **service("pedidos", addresses, authority)) as pedidos,
        httpx.AsyncClient(base_url=pedidos.url, trust_env=False, timeout=40) as client,
    ):
        yield client


async def test_an_order_is_decided_although_every_server_is_checked(both: httpx.AsyncClient, backing: System):
    answer = await both.post("/pedidos", json=ORDER, headers={"Prefer": "wait=30"})
    assert answer.json()["status"] == "EstoqueNaoDisponivel"
    async with httpx.AsyncClient(base_url=backing.rabbitmq_management_url, trust_env=False) as management:

        async def connected() -> bool:
            listed = (await management.get("/api/connections")).raise_for_status().json()
            return len(listed) == 4 and all(connection.get("ssl") for connection in listed)

        await until(connected, 20)


async def test_migrations_check_the_server_too(addresses: Addresses, authority: Authority):
    folder = str(Path(__file__).parents[2] / "services/pedidos/db/migrations")
    settings = {"DATABASE_URL": addresses["pedidos"], "DATABASE_CA_FILE": str(authority.file)}
    for options in ([], ["--wait"]):
        code, output = await ended("reservaestoque.migrate", "--migrations-dir", folder, *options, **settings)
        assert code == 0, output


@pytest.mark.parametrize(
    ("signed_for", "trusted", "said"),
    [(HERE, "stranger", "certificate verify failed"), ("DNS:elsewhere.example", "ours", "IP address mismatch")],
    ids=["of another authority", "of another host"],
)
async def test_a_certificate_is_refused(
    backing: System,
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    signed_for: str,
    trusted: str,
    said: str,
):
    file = str((authority if trusted == "ours" else stranger).file)
    async with secured(backing, authority.sign(signed_for)) as addresses:
        code, output = await ended("reservaestoque.dlq", AMQP_URL=addresses["broker"], AMQP_CA_FILE=file)
        assert (code, said in output) == (1, True), output
        names = ("pedidos", "estoque")
        urls = {f"{name.upper()}_DATABASE_URL": addresses[name] for name in names}
        code, output = await ended("conferir", **urls, **{f"{n.upper()}_DATABASE_CA_FILE": file for n in names})
        assert (code, said in output) == (2, True), output

        plain = {"DATABASE_URL": backing.database_url("pedidos"), "AMQP_URL": addresses["broker"]}
        async with running("pedidos", tmp_path / "log", **plain, AMQP_CA_FILE=file) as pedidos:

            async def refused() -> bool:
                lines = [line for line in pedidos.log().splitlines() if "broker_connection_lost" in line]
                return any(said in line for line in lines)

            await until(refused, 20)


async def test_without_an_authority_the_machine_s_own_ones_count(addresses: Addresses):
    code, output = await ended("reservaestoque.dlq", AMQP_URL=addresses["broker"])
    assert (code, "certificate verify failed" in output) == (1, True), output
