"""`python -m conferir`: output and exit codes; with --continuous: metrics, logs, database outages."""

import json
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from audited_world import World, database_urls, run_conferir

from conferir.violation import Rule
from local_system import Config, Ports, System
from local_system.checks import PLAIN_HTTP

pytestmark = pytest.mark.integration


async def test_all_is_well(copies: System, world: World):
    await world.typical_day()
    completed = await run_conferir("--at-rest", **database_urls(copies))
    assert (completed.returncode, completed.stderr) == (0, "")
    counts = "2 SKUs, 6 orders with their lines, 6 orders in both databases, 10 commands"
    assert re.fullmatch(rf"checked {counts} in \d+\.\d s: no violations\n", completed.stdout)


async def test_it_prints_one_line_per_violation(copies: System, world: World):
    day = await world.typical_day()
    await world.estoque.execute("update estoque set reservado = 99 where sku = 'A'")
    await world.pedidos.execute("delete from pedido where id = $1", day["fechado"])
    completed = await run_conferir(**database_urls(copies))
    assert completed.returncode == 1
    *lines, end = completed.stdout.splitlines()
    assert lines == [
        "supply: A: 99 reserved and 1 sold of a supply of 10; 10 declared",
        "counters: A: 99 reserved, 1 sold (0 of them archived), but the lines hold 1 and have sold 1",
        f"agreement: {day['fechado']}: pedidos has nothing, estoque has Fechado (2); missing in pedidos",
    ]
    assert end.endswith("3 violations")


@pytest.mark.parametrize("missing", ["settings", "estoque", "a password"])
async def test_an_audit_that_cannot_run_exits_with_2(copies: System, world: World, missing: str):
    env = database_urls(copies)
    if missing == "settings":
        env.pop("ESTOQUE_DATABASE_URL")
    elif missing == "estoque":
        env["ESTOQUE_DATABASE_URL"] = "postgres://conferente:x@127.0.0.1:1/estoque"
    else:
        env["PEDIDOS_DATABASE_URL"] = re.sub(r":[^:@/]+@", ":wrong@", env["PEDIDOS_DATABASE_URL"])
    completed = await run_conferir(**env)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith("could not check: ")
    assert "Traceback" not in completed.stderr


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {"GRACE": "1s", "STEP_INTERVAL": "50ms"}
    state = tmp_path_factory.mktemp("conferir")
    with System(Config(state=state, ports=Ports.free(), parts={"conferir"}, settings=settings)) as system:
        yield system


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, verify=PLAIN_HTTP)


def counters(system: System) -> dict[str, float]:
    text = get(f"{system.metrics_url('conferir')}/metrics").raise_for_status().text
    return {name: float(n) for name, n in re.findall(r"^(conferir_\S+) (\S+)$", text, re.M)}


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_metrics_exist_from_the_start_and_rounds_are_counted(system: System):
    last_round = 'conferir_last_round_timestamp_seconds{scan="commands"}'
    first = counters(system)[last_round]
    wait_until(lambda: counters(system)[last_round] > first)
    seen = counters(system)
    for rule in Rule:
        assert seen[f'conferir_violations_total{{rule="{rule}"}}'] == 0
    for name in ("skus", "reservas", "pedidos", "commands", "recent"):
        assert seen[f'conferir_rows_total{{scan="{name}"}}'] >= 0
        assert seen[f'conferir_last_round_timestamp_seconds{{scan="{name}"}}'] > time.time() - 60


@pytest.mark.parametrize("database", ["pedidos", "estoque"])
def test_a_database_outage_is_no_violation_and_the_rounds_resume(system: System, database: str):
    url, pid = system.metrics_url("conferir"), system.states()["conferir"].pid
    system.stop(f"postgres-{database}")
    wait_until(lambda: get(f"{url}/health/ready").status_code == 503)
    assert get(f"{url}/health/live").status_code == 200
    wait_until(lambda: "job_failed" in system.log("conferir"))
    system.start(f"postgres-{database}")
    last_round = 'conferir_last_round_timestamp_seconds{scan="skus"}'
    now = time.time()
    wait_until(lambda: counters(system)[last_round] > now)
    assert get(f"{url}/health/ready").status_code == 200
    assert system.states()["conferir"].pid == pid
    assert sum(n for name, n in counters(system).items() if name.startswith("conferir_violations_total")) == 0


def test_a_violation_is_counted_and_logged_once(system: System):
    system.psql("estoque", "insert into estoque (sku, nome, alvo, quantidade, reservado) values ('X', 'x', 5, 5, 1);")
    wait_until(lambda: counters(system)['conferir_violations_total{rule="counters"}'] == 1)
    before = counters(system)['conferir_rows_total{scan="skus"}']
    wait_until(lambda: counters(system)['conferir_rows_total{scan="skus"}'] > before + 5)
    assert counters(system)['conferir_violations_total{rule="counters"}'] == 1
    lines = [json.loads(line) for line in system.log("conferir").splitlines() if line.startswith("{")]
    [logged] = [line for line in lines if line["event"] == "violation"]
    assert (logged["level"], logged["rule"], logged["key"]) == ("error", "counters", "X")
    assert "1 reserved" in logged["detail"]
