"""`python -m conferir`: what it prints, its exit codes; all the time: metrics, logs, a database that goes away."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from conferir.violacao import Regra
from conferir_integration.conftest import endereco
from conferir_integration.mundo import Mundo
from local_system import Config, Ports, System

pytestmark = pytest.mark.integration


async def executar(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    def rodar() -> subprocess.CompletedProcess[str]:
        limpo = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")}
        argv = [sys.executable, "-m", "conferir", *args]
        return subprocess.run(argv, env={**limpo, "GRACE": "1s", **env}, capture_output=True, text=True, check=False)

    return await asyncio.to_thread(rodar)


def enderecos(sistema: System) -> dict[str, str]:
    return {f"{b.upper()}_DATABASE_URL": endereco(sistema, b, "conferente") for b in ("pedidos", "estoque")}


async def test_all_is_well(copias: System, mundo: Mundo):
    await mundo.um_dia()
    feito = await executar("--at-rest", **enderecos(copias))
    assert (feito.returncode, feito.stderr) == (0, "")
    tudo = r"looked at 2 SKUs, 6 orders with their lines, 6 orders in both, 10 commands in \d+\.\d s: no violations\n"
    assert re.fullmatch(tudo, feito.stdout)


async def test_a_line_a_violation(copias: System, mundo: Mundo):
    dia = await mundo.um_dia()
    await mundo.estoque.execute("update estoque set reservado = 99 where sku = 'A'")
    await mundo.pedidos.execute("delete from pedido where id = $1", dia["fechado"])
    feito = await executar(**enderecos(copias))
    assert feito.returncode == 1
    *linhas, fim = feito.stdout.splitlines()
    assert linhas == [
        "suprimento: A: 99 reserved and 1 sold of a supply of 10, of which 10 declared",
        "contadores: A: 99 reserved, 1 sold (0 of them archived), but the lines hold 1 and have sold 1",
        f"acordo: {dia['fechado']}: pedidos says nothing, estoque says Fechado (2); pedidos does not know it",
    ]
    assert fim.endswith("3 violations")


@pytest.mark.parametrize("falta", ["settings", "estoque", "a password"])
async def test_what_cannot_be_checked_is_neither_good_nor_bad(copias: System, mundo: Mundo, falta: str):
    env = enderecos(copias)
    if falta == "settings":
        env.pop("ESTOQUE_DATABASE_URL")
    elif falta == "estoque":
        env["ESTOQUE_DATABASE_URL"] = "postgres://conferente:x@127.0.0.1:1/estoque"
    else:
        env["PEDIDOS_DATABASE_URL"] = re.sub(r":[^:@/]+@", ":errada@", env["PEDIDOS_DATABASE_URL"])
    feito = await executar(**env)
    assert (feito.returncode, feito.stdout) == (2, "")
    assert feito.stderr.startswith("could not check: ")
    assert "Traceback" not in feito.stderr


@pytest.fixture(scope="module")
def sistema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {"GRACE": "1s", "STEP_INTERVAL": "50ms"}
    state = tmp_path_factory.mktemp("conferir")
    with System(Config(state=state, ports=Ports.free(), parts={"conferir"}, settings=settings)) as system:
        yield system


def contadores(sistema: System) -> dict[str, float]:
    texto = httpx.get(f"{sistema.program_url('conferir')}/metrics", trust_env=False).raise_for_status().text
    return {nome: float(n) for nome, n in re.findall(r"^((?:violacoes|conferi)\S+) (\S+)$", texto, re.M)}


def ate(condicao: Callable[[], bool], segundos: float = 60) -> None:
    fim = time.monotonic() + segundos
    while not condicao():
        assert time.monotonic() < fim
        time.sleep(0.1)


def test_metrics_are_there_from_the_start_and_rounds_are_counted(sistema: System):
    volta = 'conferir_ultima_volta_timestamp_seconds{o_que="comandos"}'
    primeira = contadores(sistema)[volta]
    ate(lambda: contadores(sistema)[volta] > primeira)
    vistos = contadores(sistema)
    for regra in Regra:
        assert vistos[f'violacoes_total{{regra="{regra}"}}'] == 0
    for o_que in ("skus", "reservas", "pedidos", "comandos", "recentes"):
        assert vistos[f'conferidos_total{{o_que="{o_que}"}}'] >= 0
        assert vistos[f'conferir_ultima_volta_timestamp_seconds{{o_que="{o_que}"}}'] > time.time() - 60


@pytest.mark.parametrize("banco", ["pedidos", "estoque"])
def test_a_database_that_goes_away_is_no_violation_and_the_rounds_go_on(sistema: System, banco: str):
    url, pid = sistema.program_url("conferir"), sistema.states()["conferir"].pid
    sistema.stop(f"postgres-{banco}")
    ate(lambda: httpx.get(f"{url}/health/ready", trust_env=False).status_code == 503)
    assert httpx.get(f"{url}/health/live", trust_env=False).status_code == 200
    ate(lambda: "job_put_off" in sistema.log("conferir"))
    sistema.start(f"postgres-{banco}")
    volta = 'conferir_ultima_volta_timestamp_seconds{o_que="skus"}'
    agora = time.time()
    ate(lambda: contadores(sistema)[volta] > agora)
    assert httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
    assert sistema.states()["conferir"].pid == pid
    assert sum(n for nome, n in contadores(sistema).items() if nome.startswith("violacoes_total")) == 0


def test_a_violation_is_counted_and_logged_once(sistema: System):
    sistema.psql(
        "estoque", "insert into estoque (sku, nome, alvo, quantidade, reservado) values ('X', 'x', 5, 5, 1);"
    )
    ate(lambda: contadores(sistema)['violacoes_total{regra="contadores"}'] == 1)
    antes = contadores(sistema)['conferidos_total{o_que="skus"}']
    ate(lambda: contadores(sistema)['conferidos_total{o_que="skus"}'] > antes + 5)
    assert contadores(sistema)['violacoes_total{regra="contadores"}'] == 1
    linhas = [json.loads(linha) for linha in sistema.log("conferir").splitlines() if linha.startswith("{")]
    [dita] = [linha for linha in linhas if linha["event"] == "violation"]
    assert (dita["level"], dita["regra"], dita["chave"]) == ("error", "contadores", "X")
    assert "1 reserved" in dita["detalhe"]
