"""The programs on a database and a broker that prove their identity, or fail to."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from certificates import Authority, Certificate, TlsWire, amqps, postgres_with, rabbitmq_with
from program import by_way_of, running
from waiting import until

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
        with rabbitmq_with(system, certificate) as port:
            users = {f"broker of {name}": system.service_env(name)["AMQP_URL"] for name in ("pedidos", "estoque")}
            yield {"pedidos": pedidos, "estoque": estoque, **{user: amqps(url, port) for user, url in users.items()}}


@pytest.fixture
async def addresses(backing: System, authority: Authority) -> AsyncIterator[Addresses]:
    async with secured(backing, authority.sign(HERE)) as addresses:
        yield addresses


def service(name: str, addresses: Addresses, authority: Authority, **others: str) -> dict[str, str]:
    file = str(authority.file)
    urls = {"DATABASE_URL": addresses[name], "AMQP_URL": addresses[f"broker of {name}"]}
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


async def first_line(*arguments: str, **settings: str) -> str:
    """The first output of `python -m …`, which then waits for a trusted server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    process.terminate()
    await process.communicate()
    return line.decode()


@pytest.fixture
async def both(addresses: Addresses, authority: Authority, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """pedidos and estoque with TLS everywhere; the client connects to pedidos."""
    async with (
        running("estoque", tmp_path / "estoque.log", **service("estoque", addresses, authority)),
        running("pedidos", tmp_path / "pedidos.log", **service("pedidos", addresses, authority)) as pedidos,
        httpx.AsyncClient(base_url=pedidos.url, trust_env=False, timeout=40) as client,
    ):
        yield client


async def test_an_order_is_decided_over_tls_with_every_server_verified(both: httpx.AsyncClient, backing: System):
    answer = await both.post("/pedidos", json=ORDER, headers={"Prefer": "wait=30"})
    assert answer.json()["status"] == "EstoqueNaoDisponivel"
    async with httpx.AsyncClient(base_url=backing.rabbitmq_management_url, trust_env=False) as management:

        async def connected() -> bool:
            listed = (await management.get("/api/connections")).raise_for_status().json()
            return len(listed) == 4 and all(connection.get("ssl") for connection in listed)

        await until(connected, 20)


async def test_migrations_check_the_server_too(backing: System, addresses: Addresses, authority: Authority):
    folder = str(Path(__file__).parents[2] / "services/pedidos/db/migrations")
    owner = by_way_of(urlsplit(addresses["pedidos"]).port or 0, backing.database_url("pedidos"))
    for options, url in (([], owner.replace("?sslmode=disable", "")), (["--wait"], addresses["pedidos"])):
        settings = {"DATABASE_URL": url, "DATABASE_CA_FILE": str(authority.file)}
        code, output = await ended("reservaestoque.migrate", "--migrations-dir", folder, *options, **settings)
        assert code == 0, output


class Flaw(NamedTuple):
    """Faults of a certificate, with the client's message."""

    said: str
    signed_for: str = HERE
    by_another: bool = False
    expired: bool = False


FLAWS = {
    "another authority": Flaw("certificate verify failed", by_another=True),
    "another host": Flaw("IP address mismatch", signed_for="DNS:elsewhere.example"),
    "expired": Flaw("certificate has expired", expired=True),
}


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=list(FLAWS))
async def test_an_invalid_certificate_is_refused(
    backing: System, authority: Authority, stranger: Authority, tmp_path: Path, flaw: Flaw
):
    file, said = str((stranger if flaw.by_another else authority).file), flaw.said
    async with secured(backing, authority.sign(flaw.signed_for, expired=flaw.expired)) as addresses:
        code, output = await ended("reservaestoque.dlq", AMQP_URL=addresses["broker of pedidos"], AMQP_CA_FILE=file)
        assert (code, said in output) == (1, True), output
        names = ("pedidos", "estoque")
        urls = {f"{name.upper()}_DATABASE_URL": addresses[name] for name in names}
        code, output = await ended("conferir", **urls, **{f"{n.upper()}_DATABASE_CA_FILE": file for n in names})
        assert (code, said in output) == (2, True), output
        folder = str(Path(__file__).parents[2] / "services/pedidos/db/migrations")
        settings = {"DATABASE_URL": addresses["pedidos"], "DATABASE_CA_FILE": file}
        assert "x509: " in await first_line(
            "reservaestoque.migrate", "--wait", "--migrations-dir", folder, **settings
        )

        plain = {
            "DATABASE_URL": backing.service_env("pedidos")["DATABASE_URL"],
            "AMQP_URL": addresses["broker of pedidos"],
        }
        async with running("pedidos", tmp_path / "log", **plain, AMQP_CA_FILE=file) as pedidos:

            async def refused() -> bool:
                lines = [line for line in pedidos.log().splitlines() if "broker_connection_lost" in line]
                return any(said in line for line in lines)

            await until(refused, 20)


async def test_without_a_given_authority_those_of_the_machine_apply(addresses: Addresses):
    code, output = await ended("reservaestoque.dlq", AMQP_URL=addresses["broker of pedidos"])
    assert (code, "certificate verify failed" in output) == (1, True), output


async def test_a_server_without_tls_is_refused_and_gets_no_password(backing: System, authority: Authority):
    """The server there could be an impostor."""
    file = str(authority.file)
    plain = backing.service_env("pedidos")["AMQP_URL"].replace("amqp://", "amqps://")
    code, refused = await ended("reservaestoque.dlq", AMQP_URL=plain, AMQP_CA_FILE=file)
    assert (code, "wrong version number" in refused) == (1, True), refused
    names = ("pedidos", "estoque")
    env = {f"{name.upper()}_DATABASE_URL": backing.database_url(name, "conferente") for name in names}
    code, output = await ended("conferir", **env, **{f"{name.upper()}_DATABASE_CA_FILE": file for name in names})
    assert (code, "rejected SSL upgrade" in output) == (2, True), output
    for secret in backing.layout.secrets.values():
        assert secret not in refused + output


async def test_a_renewed_authority_and_a_renewed_certificate_fail_no_request(
    backing: System, authority: Authority, stranger: Authority, pedidos_db: object, tmp_path: Path
):
    """During a rotation, the file contains the old CA and the new one."""
    bundle = tmp_path / "ca.crt"
    bundle.write_text(authority.file.read_text())
    env = {**backing.service_env("pedidos"), "DATABASE_CA_FILE": str(bundle)}
    async with TlsWire(backing.layout.ports.postgres_pedidos, authority.sign(HERE)) as wire:
        env["DATABASE_URL"] = by_way_of(wire.port, env["DATABASE_URL"])
        async with (
            running("pedidos", tmp_path / "pedidos.log", **env) as program,
            httpx.AsyncClient(base_url=program.url, trust_env=False, timeout=40) as client,
        ):

            async def orders_on_new_connections() -> list[int]:
                before = wire.accepted
                codes = []
                while wire.accepted < before + 2:  # the watch makes one every three seconds
                    codes.append((await client.post("/pedidos", json=ORDER)).status_code)
                    await asyncio.sleep(0.02)
                return codes

            codes = await orders_on_new_connections()
            bundle.write_text(authority.file.read_text() + stranger.file.read_text())
            codes += await orders_on_new_connections()
            wire.present(stranger.sign(HERE))
            codes += await orders_on_new_connections()
            bundle.write_text(stranger.file.read_text())
            codes += await orders_on_new_connections()
            assert set(codes) == {202}  # estoque does not run
            assert "certificate verify failed" not in program.log()
