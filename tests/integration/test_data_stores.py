"""The configuration from charts/data-stores, read by real servers."""

import os
import subprocess
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import pytest
import tools
from broker import rabbitmqctl
from helm import Helm, Manifest

from local_system import System, postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rendered(backing: System) -> list[Manifest]:
    """The chart with the passwords of the local system."""
    try:
        helm = Helm(tools.helm())
    except tools.MissingError as missing:
        pytest.skip(str(missing))
    names = ("pedidos", "pedidos_runtime", "estoque", "estoque_runtime", "operador", "conferente", "postgres")
    chosen = {name: backing.layout.secrets[name] for name in names}
    chosen |= {n.replace("-", "_"): v for n, v in backing.layout.secrets.items() if n.startswith("rabbitmq")}
    return helm.template("data-stores", *(f"passwords.{n}={v}" for n, v in chosen.items()), release="data-stores")


def find(rendered: list[Manifest], kind: str, name: str) -> dict[str, Any]:
    [found] = [m for m in rendered if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
async def test_missing_roles_are_created_and_the_script_may_run_again(
    backing: System, rendered: list[Manifest], service: str, tmp_path: Path
):
    script = tmp_path / "roles.sql"
    script.write_text(find(rendered, "ConfigMap", f"{service}-db")["data"]["roles.sql"])
    secret = find(rendered, "Secret", f"{service}-db")["stringData"]
    [container] = find(rendered, "StatefulSet", f"{service}-db")["spec"]["template"]["spec"]["containers"]
    env = {
        variable["name"]: secret[variable["valueFrom"]["secretKeyRef"]["key"]]
        for variable in container["env"]
        if variable["name"].endswith("_PASSWORD")
    }
    roles = [service, *postgres.GUESTS[service]]
    assert set(env) == {"POSTGRES_PASSWORD", *(f"{role.upper()}_PASSWORD" for role in roles)}
    backing.psql(service, f"alter role {service}_runtime rename to elsewhere;")  # as a volume of an earlier release
    try:
        for _ in range(2):
            _run(backing, service, script, env)
        found = backing.psql(service, "select rolname from pg_roles where rolcanlogin")
        assert set(roles) <= set(found.split())
        await (await asyncpg.connect(backing.database_url(service, f"{service}_runtime"))).close()
    finally:
        backing.psql(service, f"drop owned by {service}_runtime; drop role {service}_runtime;")
        backing.psql(service, f"alter role elsewhere rename to {service}_runtime;")
        backing.psql(
            service, f"alter role {service}_runtime password '{env[f'{service.upper()}_RUNTIME_PASSWORD']}';"
        )


def _run(system: System, service: str, script: Path, env: dict[str, str]) -> None:
    """Runs a script as the image's entry point does."""
    port = getattr(system.layout.ports, f"postgres_{service}")
    argv = [postgres.BIN / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "--host=127.0.0.1"]
    where = (f"--port={port}", "--username=postgres", f"--dbname={service}", f"--file={script}")
    settings = {**os.environ, **env, "PGPASSWORD": system.layout.secrets["postgres"], "PGSSLMODE": "disable"}
    done = subprocess.run([*argv, *where], env=settings, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_the_broker_imports_its_users_and_their_permissions(
    backing: System, rendered: list[Manifest], tmp_path: Path
):
    file = tmp_path / "definitions.json"
    file.write_text(find(rendered, "Secret", "rabbitmq")["stringData"]["definitions.json"])
    for service in ("pedidos", "estoque"):
        await rabbitmqctl(backing, "delete_user", service)
    await rabbitmqctl(backing, "import_definitions", str(file))
    for service in ("pedidos", "estoque"):
        async with await aio_pika.connect(backing.service_env(service)["AMQP_URL"]) as connection:
            channel = await connection.channel()
            await channel.declare_exchange(service, "topic", durable=True)
    async with await aio_pika.connect(backing.amqp_url):
        pass
