"""Where the operator finds the API server, and what happens when its token is replaced."""

import asyncio
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from certificates import Authority
from stock_item_factory import Clock, item

from operador.cluster import kopf_disarmed
from operador.cluster.access import Access, AccessError
from operador.cluster.api import ClusterApi, UnavailableError
from operador.cluster.watch import Watch
from operador.decide.stockitem import Status
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue

LIST = "/apis/reservaestoque.dev/v1/stockitems"


class ApiServer:
    """Accepts one token below a path, as a proxy for several clusters does, and records the requests."""

    url: str
    token = "first"
    answer = json.dumps({"items": [], "metadata": {"resourceVersion": "7"}})
    redirect = ""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path.removeprefix("/k8s/loja"), await request.text()))
        if self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="Unauthorized")
        return web.Response(text=self.answer, content_type="application/json")


def kubeconfig_of(server: str, token: object, user: Mapping[str, str] | None = None, **cluster: str) -> str:
    return json.dumps(
        {
            "current-context": "shop",
            "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "operador"}}],
            "clusters": [{"name": "shop", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "operador", "user": {"token": token, **(user or {})}}],
        }
    )


async def serve(
    handle: Callable[[web.Request], Awaitable[web.Response]], path: str, tls: ssl.SSLContext | None = None
) -> TestServer:
    app = web.Application()
    app.router.add_route("*", path, handle)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    return server


@pytest.fixture
async def api_server() -> AsyncIterator[ApiServer]:
    api_server = ApiServer()
    server = await serve(api_server.handle, "/k8s/loja/{path:.*}")
    api_server.url = str(server.make_url("/k8s/loja"))
    yield api_server
    await server.close()


class Kubeconfig:
    """The file that KUBECONFIG names."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self.file, self._clock = file, clock

    def write(self, text: str) -> None:
        """Writes it, a second after the last time."""
        self._clock.now += 1
        self.file.write_text(text)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Kubeconfig:
    file = tmp_path / "file"
    monkeypatch.setenv("KUBECONFIG", str(file))
    return Kubeconfig(file, clock)


@pytest.fixture
def access(api_server: ApiServer, kubeconfig: Kubeconfig, clock: Clock) -> Access:
    kubeconfig.write(kubeconfig_of(api_server.url, "first"))
    return Access(str(kubeconfig.file), clock)


@pytest.fixture
async def api(access: Access) -> AsyncIterator[ClusterApi]:
    async with access.open_session() as http:
        yield ClusterApi(http, access.info.server, "")


async def test_a_refused_request_is_repeated_with_the_newest_token(
    api: ClusterApi, api_server: ApiServer, kubeconfig: Kubeconfig
):
    await api.probe()
    assert api_server.seen == [("GET", LIST, "")]
    api_server.token = "second"
    kubeconfig.write(kubeconfig_of(api_server.url, "second"))
    api_server.answer = json.dumps({"metadata": {"resourceVersion": "8"}})
    assert await api.patch_status(item(), Status("CAMISETA", 1, ()), "2026-11-24T12:00:00Z") == 8
    refused, repeated = api_server.seen[1:]
    assert refused == repeated
    assert (refused[0], "observedGeneration" in refused[2]) == ("PATCH", True)


async def test_of_many_refused_requests_each_is_repeated_once(
    api: ClusterApi, api_server: ApiServer, kubeconfig: Kubeconfig
):
    api_server.token = "second"
    kubeconfig.write(kubeconfig_of(api_server.url, "second"))
    await asyncio.gather(*(api.probe() for _ in range(10)))
    assert len(api_server.seen) == 20
    await api.probe()
    assert len(api_server.seen) == 21, "the newest token is kept"


async def test_a_replaced_token_is_used_within_a_minute(
    api: ClusterApi, api_server: ApiServer, kubeconfig: Kubeconfig, clock: Clock
):
    api_server.token = "second"
    kubeconfig.write(kubeconfig_of(api_server.url, "second"))
    clock.now += 61
    await api.probe()
    assert len(api_server.seen) == 1, "none was refused"


async def test_a_token_that_is_refused_and_has_not_been_replaced_is_reported(api: ClusterApi, api_server: ApiServer):
    api_server.token = "another"
    with pytest.raises(UnavailableError, match="401 Unauthorized"):
        await api.probe()
    assert len(api_server.seen) == 1


@pytest.mark.parametrize(
    "content",
    ["", "users: [", kubeconfig_of("http://127.0.0.1:1", "second"), kubeconfig_of("{url}", "a\nb")],
    ids=["empty", "half written", "another server", "two lines"],
)
async def test_nothing_but_a_token_is_adopted(
    api: ClusterApi, api_server: ApiServer, kubeconfig: Kubeconfig, content: str
):
    kubeconfig.write(content.replace("{url}", api_server.url))
    api_server.token = "second"
    with pytest.raises(UnavailableError, match="401 Unauthorized"):
        await api.probe()
    api_server.token = "first"
    await api.probe()
    kubeconfig.write(kubeconfig_of(api_server.url, "second"))
    api_server.token = "second"
    await api.probe()


async def test_the_watch_has_the_same_access_and_begins_at_an_empty_list(
    access: Access, api_server: ApiServer, kubeconfig: Kubeconfig
):
    began: list[int] = []
    session = kopf_disarmed.session(access, beat=lambda: None, began=began.append)
    api_server.token = "second"
    kubeconfig.write(kubeconfig_of(api_server.url, "second"))
    async with session.aiohttp_session as http, http.get(f"{session.server}{LIST}") as response:
        assert response.status == 200
    assert (began, len(api_server.seen)) == ([7], 2)


async def test_a_watch_that_ends_at_once_is_repeated_once_a_second(access: Access, api_server: ApiServer):
    api_server.answer = ""
    session = kopf_disarmed.session(access, beat=lambda: None, began=lambda _: None)
    began = time.monotonic()
    async with session.aiohttp_session as http:
        for _ in range(2):
            async with http.get(f"{session.server}{LIST}", params={"watch": "true"}) as response:
                assert response.status == 200
    assert time.monotonic() - began > 0.9


async def test_credentials_that_are_refused_again_and_again_are_read_once_a_second(
    api: ClusterApi, api_server: ApiServer, kubeconfig: Kubeconfig, clock: Clock
):
    api_server.token = "second"
    clock.now += 1
    for _ in range(2):
        with pytest.raises(UnavailableError, match="401"):
            await api.probe()
        kubeconfig.file.write_text(kubeconfig_of(api_server.url, "second"))
    clock.now += 1
    await api.probe()


@pytest.mark.parametrize(
    ("replaced", "fault"),
    [("authority", "CERTIFICATE_VERIFY_FAILED"), ("client certificate", "ServerDisconnectedError|ClientOSError")],
)
async def test_replaced_files_of_certificates_are_used_within_a_minute(
    tmp_path: Path, api_server: ApiServer, kubeconfig: Kubeconfig, clock: Clock, replaced: str, fault: str
):
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    outdated = {name: old if name == replaced else new for name in ("authority", "client certificate")}
    trusted = shutil.copy(outdated["authority"].file, tmp_path / "ca.crt")
    chain, key = outdated["client certificate"].sign("DNS:operador")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=new.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*new.sign("DNS:localhost"))
    server = await serve(api_server.handle, "/{path:.*}", context)
    user = {"client-certificate": str(chain), "client-key": str(key)}
    address = f"https://localhost:{server.port}"
    kubeconfig.write(kubeconfig_of(address, "first", user, **{"certificate-authority": str(trusted)}))
    access = Access(str(kubeconfig.file), clock)
    async with server, access.open_session() as http:
        api = ClusterApi(http, access.info.server, "")
        with pytest.raises(UnavailableError, match=fault):
            await api.probe()
        shutil.copy(new.file, trusted)
        for now, before in zip(new.sign("DNS:operador"), (chain, key), strict=True):
            if now != before:
                shutil.copy(now, before)
        clock.now += 61
        await api.probe()


async def test_a_redirect_is_not_followed(api: ClusterApi, api_server: ApiServer):
    api_server.redirect = f"{api_server.url}/login"
    with pytest.raises(UnavailableError, match="307"):
        await api.probe()
    assert len(api_server.seen) == 1


async def test_another_server_does_not_receive_the_token(access: Access, api_server: ApiServer):
    """kopf follows redirects."""
    received: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        received.append(request.headers.get("Authorization"))
        return web.Response()

    other = await serve(handle, "/login")
    api_server.redirect = str(other.make_url("/login"))
    async with access.open_session() as http, http.get(LIST[1:]) as response:
        assert response.status == 200
    await other.close()
    assert received == [None]


async def test_an_answer_that_is_not_json_is_reported(api: ClusterApi, api_server: ApiServer):
    api_server.answer = "<html>a captive portal</html>"
    with pytest.raises(UnavailableError, match="200 OK: <html>a captive portal") as raised:
        await api.probe()
    assert raised.value.status == 200


@pytest.mark.parametrize("answer", ["{}", "[]", '{"items": null, "metadata": {"resourceVersion": "7"}}'])
async def test_json_of_another_shape_is_reported(api: ClusterApi, api_server: ApiServer, answer: str):
    api_server.answer = answer
    with pytest.raises(UnavailableError, match="unexpected answer"):
        await api.probe()


@pytest.mark.parametrize("answer", ["{}", "[]", '{"metadata": {"resourceVersion": "x"}}'])
async def test_json_that_is_no_stockitem_is_reported(api: ClusterApi, api_server: ApiServer, answer: str):
    api_server.answer = answer
    with pytest.raises(UnavailableError, match="unexpected answer"):
        await api.patch_status(item(), Status("CAMISETA", 1, ()), "2026-11-24T12:00:00Z")
    with pytest.raises(UnavailableError, match="unexpected answer"):
        await api.set_finalizers(item(), ())


async def test_an_answer_that_is_not_http_is_reported_without_the_token(kubeconfig: Kubeconfig):
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"garbage\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kubeconfig.write(kubeconfig_of(f"http://127.0.0.1:{port}", "s3cret"))
    access = Access(str(kubeconfig.file))
    async with server, access.open_session() as http:
        with pytest.raises(UnavailableError, match="ClientResponseError: ") as raised:
            await ClusterApi(http, access.info.server, "").probe()
    assert "s3cret" not in str(raised.value)


async def test_the_watch_backs_off_between_logins_until_a_list_is_answered(
    access: Access, monkeypatch: pytest.MonkeyPatch, api_server: ApiServer
):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    watch = Watch(
        cache=Cache(), queue=WorkQueue(Clock()), namespace="", access=access, beat=lambda: None, began=lambda _: None
    )
    for _ in range(3):
        session = await watch.login()
        await session.aiohttp_session.close()
    assert (len(slept), slept[0] < slept[1]) == (2, True)
    session = await watch.login()
    async with session.aiohttp_session as http, http.get(f"{session.server}{LIST}"):
        pass
    await (await watch.login()).aiohttp_session.close()
    assert len(slept) == 3, "no pause for the first login after an answer"


HTTPS = "https://127.0.0.1:6443"
UNUSABLE = {
    "empty": ("", "Current context is not set"),
    "not YAML": ("users:\n  token: [s3cret", "ParserError in line 2"),
    "control characters": ("\x00", "ReaderError"),
    "a list": ("[]", "Current context is not set"),
    "a text": ('"text"', "AttributeError"),
    "without its context": ('{"current-context": "shop"}', "KeyError: 'shop'"),
    "an undefined alias": ("users: *s3cret", "ComposerError in line 1"),
    "an unknown tag": ("users: !s3cret x", "ConstructorError in line 1"),
    "without a server": (kubeconfig_of("", "s3cret"), "server must be an http:// or https:// address"),
    "a server without a scheme": (kubeconfig_of("127.0.0.1:6443", "s3cret"), "server must be an http://"),
    "a server without a host": (kubeconfig_of("https://", "s3cret"), "server must be an http://"),
    "a port that is no number": (kubeconfig_of("https://kubernetes:abc", "s3cret"), "ValueError"),
    "a server with a password": (kubeconfig_of("https://u:s3cret@kubernetes", "x"), "must not contain a user or"),
    "a proxy of another kind": (kubeconfig_of(HTTPS, "s3cret", **{"proxy-url": "socks5://x"}), "proxy-url must be"),
    "a token of two lines": (kubeconfig_of("http://127.0.0.1:1", "s3\ncret"), "line feed"),
    "a missing authority": (kubeconfig_of(HTTPS, "s3cret", **{"certificate-authority": "/missing"}), "No such file"),
    "a broken authority": (kubeconfig_of(HTTPS, "s3cret", **{"certificate-authority-data": "AAAA"}), "SSLError"),
    "without credentials": (kubeconfig_of(HTTPS, ""), "tokenFile and exec are not supported"),
}


@pytest.mark.parametrize(("content", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_kubeconfig_is_explained(kubeconfig: Kubeconfig, content: str, reason: str):
    kubeconfig.write(content)
    with pytest.raises(AccessError, match="KUBECONFIG=") as raised:
        Access(str(kubeconfig.file))
    assert reason in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_missing_kubeconfig_is_named(kubeconfig: Kubeconfig):
    with pytest.raises(AccessError, match=f"KUBECONFIG={kubeconfig.file}: FileNotFoundError"):
        Access(str(kubeconfig.file))


def test_in_a_pod_its_service_account_is_used(monkeypatch: pytest.MonkeyPatch):
    account = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="s3cret")
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: account)
    assert Access("").info is account
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: None)
    with pytest.raises(AccessError, match="set KUBECONFIG, or run in a pod with a service account"):
        Access("")
