"""Secrets are in Secrets, files and the environment of their program, and nowhere else, whatever fails."""

import asyncio
import base64
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import libyaml
import psutil
import pytest
import tools
from helm import Helm
from shop import NO_ORDER, Shop
from waiting import until

from local_system import Ports, System, processes

pytestmark = pytest.mark.integration

MIGRATIONS = Path(__file__).resolve().parents[2] / "services/pedidos/db/migrations"
WRONG = "wrong-and-secret-password"
UNUSED = "127.0.0.1:9"
"""A port on which nothing listens."""
DATA = {"data", "etcd"}
"""Folders of databases; their files are the servers' own, and for their owner only as a whole."""


def spellings(secret: str) -> set[str]:
    """The forms of a secret in text: plain, in a URL, in a Secret or in an `Authorization` header."""
    encoded = {base64.b64encode(f"{prefix}{secret}".encode()).decode().rstrip("=") for prefix in ("", "u:")}
    return {secret, quote(secret, safe=""), *encoded}


@pytest.fixture(scope="module")
def secrets(system: System) -> dict[str, set[str]]:
    return {name: spellings(value) for name, value in {**system.layout.secrets, "wrong": WRONG}.items()}


def found_in(text: str, secrets: dict[str, set[str]]) -> set[str]:
    """The names of the secrets in a text."""
    return {name for name, spelled in secrets.items() if any(one in text for one in spelled)}


def test_a_secret_would_be_found(secrets: dict[str, set[str]], system: System):
    for name, value in system.layout.secrets.items():
        assert found_in(f"postgres://{name}:{value}@h/d", secrets) == {name}
    header = base64.b64encode(f"u:{WRONG}".encode()).decode()
    assert found_in(f"authorization: Basic {header}", secrets) == {"wrong"}


def addresses(url: str) -> list[str]:
    """The address with a wrong password, and that of an unavailable server."""
    parts = urlsplit(url)
    wrong = f"{parts.username}:{WRONG}@{parts.hostname}:{parts.port}"
    return [parts._replace(netloc=netloc).geturl() for netloc in (wrong, f"{parts.username}:{WRONG}@{UNUSED}")]


def broken(system: System) -> Iterator[tuple[str, dict[str, str]]]:
    """Programs, each with a setting that must fail."""
    estoque = system.database_url("estoque", "operador")
    for service in ("pedidos", "estoque"):
        right = system.service_env(service)
        for variable, url in right.items():
            for wrong in (*addresses(url), f"{url[:4]}://u:{WRONG}@[h/d", f"x{url}"):
                yield service, {**right, variable: wrong}
    for wrong in addresses(estoque):
        yield "operador", {"DATABASE_URL": wrong, "KUBECONFIG": system_kubeconfig(system)}


def system_kubeconfig(system: System) -> str:
    [operator] = [part for name, part in system._parts.items() if name == "operator"]
    return operator.env["KUBECONFIG"]


@asynccontextmanager
async def started(
    module: str, log: Path, env: dict[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """`python -m …`, whether or not it becomes ready; and the addresses of its API and its metrics."""
    ports = Ports.free()
    listening = {"HOST": "127.0.0.1", "PORT": str(ports.pedidos), "METRICS_PORT": str(ports.pedidos_metrics)}
    settings = {**os.environ, **env, **listening, "LOG_LEVEL": "DEBUG"}
    with log.open("w") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=settings, stdout=file, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield process, *(f"http://127.0.0.1:{port}" for port in (ports.pedidos, ports.pedidos_metrics))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def observed_at(client: httpx.AsyncClient, url: str) -> str:
    return "".join([(await client.get(url + path)).text for path in ("/health/ready", "/metrics")])


async def answers_of(client: httpx.AsyncClient, url: str) -> str:
    order = {"clienteId": "ana", "itens": [{"sku": "S-NENHUM", "quantidade": 1}]}
    said = []
    for method, path, body in (
        *(("GET", path, None) for path in ("/health/ready", f"/pedidos/{NO_ORDER}", "/estoque/S-NENHUM")),
        ("POST", "/pedidos", order),
        ("POST", "/pedidos", "{"),
    ):
        answer = await client.request(method, url + path, json=body)
        said.append(f"{answer.headers}{answer.text}")
    return "\n".join(said)


async def listens(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return bool(await client.get(f"{url}/health/live"))
    except httpx.TransportError:
        return False


def text_of(log: Path) -> str:
    return log.read_text()


async def test_a_failing_program_reveals_no_secret(system: System, secrets: dict[str, set[str]], tmp_path: Path):
    """Wrong passwords, unavailable servers and invalid addresses: in its log, its answers and its metrics."""
    lines = []
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        for number, (module, env) in enumerate(broken(system)):
            log = tmp_path / f"{number}-{module}.log"
            async with started(module, log, env) as (process, api, observed):

                async def failed(
                    process: asyncio.subprocess.Process = process, log: Path = log, url: str = observed
                ) -> bool:
                    words = ("unreachable", "lost", "put_off", "failed", "Traceback")
                    told = any(word in text_of(log) for word in words) and await listens(client, url)
                    return process.returncode is not None or told

                await until(failed, 30)
                said = ""
                if process.returncode is None:
                    said = await observed_at(client, observed)
                    said += await answers_of(client, api) if module != "operador" else ""
            text = text_of(log)
            assert text
            assert found_in(text + said, secrets) == set(), log.name
            lines.append(text)
    everything = "\n".join(lines)
    for sign in ("password authentication failed", "ACCESS_REFUSED", "ConnectionRefusedError", "settings"):
        assert sign in everything, "this failure was not provoked"


@pytest.mark.parametrize("number", [0, 1])
async def test_a_failing_command_reveals_no_secret(system: System, secrets: dict[str, set[str]], number: int):
    folder = str(MIGRATIONS)
    database = addresses(system.database_url("pedidos"))[number]
    reader = addresses(system.database_url("pedidos", "conferente"))[number]
    commands = {
        ("reservaestoque.migrate", "--wait", "--migrations-dir", folder): {"DATABASE_URL": database},
        ("reservaestoque.dlq", "list"): {"AMQP_URL": addresses(system.amqp_url)[number]},
        ("conferir",): {"PEDIDOS_DATABASE_URL": reader, "ESTOQUE_DATABASE_URL": reader},
    }
    for words, env in commands.items():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *words),
            env={**os.environ, **env},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        output = await asyncio.wait_for(process.stdout.readline(), 60)
        if "--wait" in words:
            process.terminate()
        output += (await asyncio.wait_for(process.communicate(), 60))[0]
        assert process.returncode
        assert output
        assert found_in(output.decode(), secrets) == set(), words


async def test_a_running_system_reveals_no_secret(shop: Shop, system: System, secrets: dict[str, set[str]]):
    """Logs of every part, metrics, answers to good and bad requests, and what the cluster shows."""
    await shop.declare("SECRET", 3)
    assert (await shop.order(SECRET=1)).status_code == 201
    texts = {f"log of {name}": system.log(name) for name in system.names()}
    assert all(texts.values())
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        for name in ("pedidos-1", "estoque-1", "operator", "conferir"):
            texts[f"metrics of {name}"] = (await client.get(f"{system.metrics_url(name)}/metrics")).text
        texts["answers"] = await answers_of(client, system.gateway_url)
        envoy = f"http://127.0.0.1:{system.layout.ports.gateway_admin}"
        for page in ("stats", "stats/prometheus"):
            texts[f"envoy's {page}"] = (await client.get(f"{envoy}/{page}")).raise_for_status().text
    for verb in (("get", "events"), ("get", "stockitems"), ("describe", "stockitems")):
        options = ("--all-namespaces", *(("--output=yaml",) if verb[0] == "get" else ()))
        texts[" ".join(verb)] = await asyncio.to_thread(system.kubectl, *verb, *options)
    told = {where: found for where, text in texts.items() if (found := found_in(text, secrets))}
    assert told == {}


def test_no_process_has_a_secret_in_its_arguments(system: System, secrets: dict[str, set[str]]):
    """Every user of the machine can read arguments."""
    running = processes.leftovers(system.layout.state)
    assert len(running) > 10
    lines = [command_line(process) for process in running]
    told = {line.split()[0]: found for line in lines if (found := found_in(line, secrets))}
    assert told == {}


def command_line(process: psutil.Process) -> str:
    """Its arguments; empty if it has ended meanwhile, as a PostgreSQL session may."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_files_with_secrets_are_accessible_to_their_owner_only(system: System, secrets: dict[str, set[str]]):
    state = system.layout.state
    holding = []
    for file in state.rglob("*"):
        if DATA.intersection(file.relative_to(state).parts) or not file.is_file() or file.is_symlink():
            continue
        if found_in(file.read_text(errors="replace"), secrets):
            holding.append(file.name)
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file
    assert {"credentials.json", "rabbitmq.conf", "kubeconfig"} <= set(holding)
    for folder in state.glob("postgres-*/data"):
        assert not stat.S_IMODE(folder.stat().st_mode) & 0o077


def test_manifests_have_secrets_in_secrets_only(secrets: dict[str, set[str]], system: System):
    try:
        helm = Helm(tools.helm())
    except tools.MissingError as missing:
        pytest.skip(str(missing))
    names = ("pedidos", "pedidos_runtime", "estoque", "estoque_runtime", "operador", "conferente", "postgres")
    chosen = {name: system.layout.secrets[name] for name in names}
    chosen |= {name.replace("-", "_"): v for name, v in system.layout.secrets.items() if name.startswith("rabbitmq")}
    rendered = helm.template(
        "data-stores", *(f"passwords.{name}={v}" for name, v in chosen.items()), release="data-stores"
    )
    inside = "".join(libyaml.dump(m) for m in rendered if m["kind"] == "Secret")
    assert found_in(inside, secrets) == {name.replace("rabbitmq_", "rabbitmq-") for name in chosen}
    outside = "".join(libyaml.dump(m) for m in rendered if m["kind"] != "Secret")
    assert found_in(outside, secrets) == set()
