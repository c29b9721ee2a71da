"""Tokens, TLS and limits on a cluster: the journey, and rotations without a failed request."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from certificates import Authority
from cluster import Installation
from cluster.login import Bearer, Login
from contract import check_response
from customers import Customers
from journey import (  # noqa: F401
    test_a_lapsed_reservation_is_reported_and_its_units_return,
    test_an_order_is_reserved_and_its_units_are_held,
    test_an_order_that_lacks_one_item_holds_nothing_and_names_it,
    test_close_sells_the_units_and_is_final,
)
from shop import NO_ORDER, Shop
from waiting import until

from local_system.ports import HOST

pytestmark = pytest.mark.secured

NODE_PORT = 30080
"""The port that kind exposes: TLS takes the place of plain HTTP."""
LIMITS = ("--set", "gateway.limits.enabled=true")
TLS = tuple(
    argument
    for value in (
        "tls.enabled=true",
        "tls.secret=gateway-tls",
        "tls.redirect=false",
        f"service.httpsNodePort={NODE_PORT}",
    )
    for argument in ("--set", f"gateway.{value}")
)
READ_STOCK = "estoque:ler"
SESSIONS = "select distinct usename from pg_stat_activity where usename like '%runtime%'"


@dataclass
class Secured:
    """The secured installation: the signer of its tokens, and the CA by which customers trust the gateway."""

    installed: Installation
    login: Login
    context: ssl.SSLContext
    url: str
    values: tuple[str, ...]

    def client(self, subject: str, scope: str = READ_STOCK) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            verify=self.context,
            auth=Bearer(self.login, subject, scope),
            timeout=60,
            trust_env=False,
            event_hooks={"response": [check_response]},
        )


@pytest.fixture(scope="module")
def secured(installed: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The installation, upgraded to tokens, TLS and limits, and back again at the end."""
    folder = tmp_path_factory.mktemp("tls")
    host = installed.gateway_url.removeprefix("http://").rpartition(":")[0]
    authority = Authority(folder, "shop")
    chain, key = authority.sign(f"IP:{host}")
    installed.kubectl("create", "secret", "tls", "gateway-tls", f"--cert={chain}", f"--key={key}")
    login = Login(installed)
    login.start()
    values = (*login.values, *TLS, *LIMITS)
    installed.install(*values)
    yield Secured(
        installed,
        login,
        ssl.create_default_context(cafile=str(authority.file)),
        installed.gateway_url.replace("http:", "https:"),
        values,
    )
    installed.install()
    login.stop()
    installed.kubectl("delete", "secret", "gateway-tls")


@pytest.fixture
async def shop(secured: Secured) -> AsyncIterator[Shop]:
    async with secured.client("ana") as client:
        yield Shop(secured.installed, client)


async def test_requests_without_a_token_are_refused(secured: Secured):
    async with httpx.AsyncClient(base_url=secured.url, verify=secured.context, trust_env=False) as stranger:
        refused = await stranger.get("/estoque")
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (401, "nao-autenticado")
        assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_customer_sees_only_their_own_orders(shop: Shop, secured: Secured):
    await shop.declare("SE-A", 10)
    mine = (await shop.order(**{"SE-A": 1})).json()["pedidoId"]
    async with secured.client("bia", "") as other:
        assert (await other.get(f"/pedidos/{mine}")).status_code == 404
        assert (await other.post(f"/pedidos/{mine}/fechar")).status_code == 404
        assert (await other.get("/pedidos", params={"clienteId": "ana"})).status_code == 403
        assert (await other.get("/estoque/SE-A")).status_code == 403
    async with secured.client("chefe", "pedidos:admin") as admin:
        assert (await admin.get(f"/pedidos/{mine}")).json()["clienteId"] == "ana"


async def test_one_client_beyond_its_limit_does_not_affect_others(shop: Shop, secured: Secured):
    """A write: each gateway grants 60 of them at once and ten a second, which even a slow machine exceeds."""
    await shop.declare("SE-B", 1000)
    async with secured.client("rui", READ_STOCK) as flood:
        at_once = asyncio.Semaphore(50)

        async def ask() -> httpx.Response:
            async with at_once:
                return await flood.post(f"/pedidos/{NO_ORDER}/cancelar")

        answers = await asyncio.gather(*(ask() for _ in range(1000)))
        counted = {code: [a.status_code for a in answers].count(code) for code in (404, 429)}
        assert sum(counted.values()) == 1000
        assert counted[429] > 0
        assert all("retry-after" in a.headers for a in answers if a.status_code == 429)
        assert (await shop.client.get("/estoque/SE-B")).status_code == 200


async def test_the_key_of_the_identity_provider_rotates_without_a_failed_request(
    shop: Shop, secured: Secured, say: Callable[[str], None]
):
    await shop.declare("SE-C", 100_000)
    async with customers(secured) as load:
        await asyncio.sleep(3)
        old = await asyncio.to_thread(secured.login.rotate)
        await asyncio.sleep(3)
    say(f"key of the login rotated: {load.summary()}")
    assert not load.failures
    assert load.answers
    withdrawn = {"Authorization": f"Bearer {secured.login.token('ana', READ_STOCK, old)}"}
    async with httpx.AsyncClient(base_url=secured.url, verify=secured.context, trust_env=False) as client:
        assert (await client.get("/estoque", headers=withdrawn)).status_code == 401


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
async def test_the_password_of_a_database_rotates_without_a_failed_request(
    shop: Shop, secured: Secured, service: str, say: Callable[[str], None]
):
    """docs/production.md describes the way: a second login role that inherits the rights of the first."""
    await shop.declare("SE-C", 100_000)
    installed, role = secured.installed, f"{service}_runtime"
    second, password = f"{role}_2", "changed-password"
    url = f"postgres://{second}:{password}@{service}-db:5432/{service}?sslmode=disable"
    async with customers(secured) as load:
        await asyncio.sleep(3)
        sql(installed, service, f"create role {second} login in role {role} password '{password}'")
        installed.kubectl("create", "secret", "generic", f"{service}-db-second", f"--from-literal=url={url}")
        secret = f"{service}.database.existingSecret={service}-db-second"
        changed = ("--set", secret, "--set", f"{service}.database.key=url")
        await asyncio.to_thread(installed.install, *secured.values, *changed)
        sql(installed, service, f"alter role {role} nologin")

        async def only_the_second() -> bool:
            """Terminating pods keep their sessions for some seconds."""
            return sql(installed, service, SESSIONS).split() == [second]

        await until(only_the_second, 60)
        sql(installed, service, f"alter role {role} login")
        await asyncio.to_thread(installed.install, *secured.values)
        await asyncio.sleep(3)
    say(f"password of {service}'s database changed and changed back: {load.summary()}")
    assert not load.failures


def customers(secured: Secured) -> Customers:
    return Customers(
        secured.url,
        ["SE-C"],
        per_second=4,
        options=lambda cliente: {"verify": secured.context, "auth": Bearer(secured.login, cliente, READ_STOCK)},
    )


def sql(installed: Installation, service: str, statement: str) -> str:
    """Runs a statement as the superuser of a database; returns its rows."""
    argv = ("psql", "-h", HOST, "-U", "postgres", "-d", service, "-qtAc", statement)
    with_password = 'PGPASSWORD="$POSTGRES_PASSWORD" exec "$@"'
    return installed.kubectl("exec", f"statefulset/{service}-db", "--", "sh", "-c", with_password, "sh", *argv)
