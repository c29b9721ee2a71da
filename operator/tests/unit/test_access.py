"""Where the operator finds the API server, and what happens when its token is replaced."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from operador.cluster.access import Access, AccessError
from operador.cluster.api import ClusterApi, UnavailableError


class _ApiServer:
    """An API server that accepts one token, and counts the requests."""

    def __init__(self) -> None:
        self.token = "first"
        self.requests = 0
        self.answer = json.dumps({"items": [], "metadata": {"resourceVersion": "7"}})

    async def handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        await asyncio.sleep(0)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="Unauthorized")
        return web.Response(text=self.answer)


def _kubeconfig(server: str, token: str) -> str:
    return json.dumps(
        {
            "current-context": "shop",
            "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "operador"}}],
            "clusters": [{"name": "shop", "cluster": {"server": server}}],
            "users": [{"name": "operador", "user": {"token": token}}],
        }
    )


@pytest.fixture
async def api_server():
    known = _ApiServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", known.handle)
    async with TestServer(app) as server:
        known.url = str(server.make_url("/"))
        yield known


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


@pytest.fixture
async def api(api_server, kubeconfig):
    kubeconfig.write_text(_kubeconfig(api_server.url, "first"))
    access = Access(str(kubeconfig))
    async with access.open_session() as http:
        yield ClusterApi(http, access.info.server, "")


async def test_requests_are_repeated_with_a_replaced_token(api, api_server, kubeconfig):
    await api.probe()
    api_server.token = "second"
    kubeconfig.write_text(_kubeconfig(api_server.url, "second"))
    await asyncio.gather(*(api.probe() for _ in range(10)))
    repeated = api_server.requests
    await api.probe()
    assert (repeated, api_server.requests) == (1 + 2 * 10, 1 + 2 * 10 + 1), "the replaced token is kept"


async def test_a_token_that_is_refused_and_has_not_been_replaced_is_reported(api, api_server):
    api_server.token = "another"
    with pytest.raises(UnavailableError, match="401 Unauthorized"):
        await api.probe()
    assert api_server.requests == 1


async def test_a_kubeconfig_that_is_unreadable_for_a_moment_does_not_end_the_program(api, api_server, kubeconfig):
    api_server.token = "second"
    kubeconfig.write_text("")
    with pytest.raises(UnavailableError, match="401 Unauthorized"):
        await api.probe()
    kubeconfig.write_text(_kubeconfig(api_server.url, "second"))
    await api.probe()


async def test_an_answer_that_is_not_json_is_reported(api, api_server):
    api_server.answer = "<html>a captive portal</html>"
    with pytest.raises(UnavailableError, match="JSON"):
        await api.probe()


@pytest.mark.parametrize(
    "content", ["", "contexts: [", "[]", '"text"', '{"current-context": "shop"}', _kubeconfig("", "first"), "\x00"]
)
def test_an_unusable_kubeconfig_is_named(kubeconfig, content):
    kubeconfig.write_text(content)
    with pytest.raises(AccessError, match="kubeconfig"):
        Access(str(kubeconfig))


def test_a_missing_kubeconfig_is_named(kubeconfig):
    with pytest.raises(AccessError, match="No such file"):
        Access(str(kubeconfig))


def test_without_a_kubeconfig_and_outside_a_pod_both_sources_are_named(monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(AccessError, match="set KUBECONFIG, or run in a pod with a service account"):
        Access("")
