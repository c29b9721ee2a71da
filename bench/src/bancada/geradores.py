"""The load generators: wrk for as many orders as the system takes, vegeta for a constant rate."""

import base64
import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WRK_LUA = Path(__file__).with_name("wrk.lua")
ESPERA = "wait=20"
_FOLGA_SEGUNDOS = 45


class GeradorError(Exception):
    """A load generator is missing or failed; a sentence for a person."""


@dataclass(frozen=True)
class Respostas:
    """What a generator saw. Latencies in milliseconds, from the request to its answer."""

    total: int
    falhas: int
    segundos: float
    p50: float
    p99: float
    maximo: float


def programa(nome: str) -> str:
    """Where a generator is. Raises GeradorError which says how to get it."""
    achado = shutil.which(nome) or shutil.which(nome, path=str(Path("~/.cache/reservaestoque/bin").expanduser()))
    if achado is None:
        raise GeradorError(f"{nome} is missing: `make bench` installs it (bench/setup/geradores.sh)")
    return achado


def wrk(url: str, corpos: Path, *, conexoes: int, segundos: int, espera: bool) -> list[str]:
    """The command for `conexoes` customers who order one thing after the other."""
    return [
        *(programa("wrk"), "--threads", "1", "--connections", str(conexoes), "--duration", f"{segundos}s"),
        *("--timeout", "30s", "--script", str(WRK_LUA), url, "--", str(corpos), ESPERA if espera else ""),
    ]


def ler_wrk(saida: str) -> Respostas:
    """What wrk.lua has printed at the end."""
    linha = next((linha for linha in saida.splitlines() if linha.startswith("bancada ")), None)
    if linha is None:
        raise GeradorError(f"wrk failed: {saida.strip()[-500:]}")
    n = json.loads(linha.removeprefix("bancada "))
    return Respostas(
        total=n["respostas"],
        falhas=n["erros_http"] + n["erros_de_rede"] + n["tempos_esgotados"],
        segundos=n["microssegundos"] / 1e6,
        p50=n["p50"] / 1e3,
        p99=n["p99"] / 1e3,
        maximo=n["max"] / 1e3,
    )


def vegeta(alvos: Path, resultados: Path, *, por_segundo: int, segundos: int) -> list[str]:
    """The command for a constant rate of orders, however long the answers take."""
    return [
        *(programa("vegeta"), "attack", "-format=json", f"-targets={alvos}", f"-rate={por_segundo}/s"),
        *(f"-duration={segundos}s", "-timeout=30s", "-max-body=0", f"-output={resultados}"),
    ]


def escrever_alvos(url: str, corpos: Path, alvos: Path) -> None:
    """vegeta's targets: an order that waits for its decision on each line."""
    cabecalhos = {"Content-Type": ["application/json"], "Prefer": [ESPERA]}
    with corpos.open() as linhas, alvos.open("w") as saida:
        for linha in linhas:
            corpo = base64.b64encode(linha.strip().encode()).decode()
            alvo = {"method": "POST", "url": f"{url}/pedidos", "header": cabecalhos, "body": corpo}
            saida.write(json.dumps(alvo) + "\n")


def relatorio_vegeta(resultados: Path) -> Respostas:
    """Asks vegeta what it saw."""
    comando = [programa("vegeta"), "report", "-type=json", str(resultados)]
    return ler_vegeta(subprocess.run(comando, capture_output=True, text=True, check=True).stdout)


def ler_vegeta(saida: str) -> Respostas:
    """Its report as JSON. An order that was only accepted (202) was not decided in time: it counts as a failure."""
    n = json.loads(saida)
    latencias = n["latencies"]
    return Respostas(
        total=n["requests"],
        falhas=n["requests"] - n["status_codes"].get("201", 0),
        segundos=n["duration"] / 1e9,
        p50=latencias["50th"] / 1e6,
        p99=latencias["99th"] / 1e6,
        maximo=latencias["max"] / 1e6,
    )


class Processo:
    """A generator that runs; killed when the block is left before it has ended."""

    def __init__(self, comando: Sequence[str], segundos: float) -> None:
        self._comando = comando
        self._segundos = segundos

    def __enter__(self) -> "Processo":
        self._processo = subprocess.Popen(
            self._comando, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        )
        self.pid = self._processo.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._processo.kill()
        self._processo.wait()

    def encerrar(self) -> None:
        """Ends it early, as Ctrl-C does: it reports what it has seen."""
        self._processo.send_signal(signal.SIGINT)

    def saida(self) -> str:
        """Waits for its end; what it has printed. Raises GeradorError when it fails or takes far too long."""
        try:
            saida, _ = self._processo.communicate(timeout=self._segundos + _FOLGA_SEGUNDOS)
        except subprocess.TimeoutExpired as demora:
            raise GeradorError(f"{Path(self._comando[0]).name} did not end by itself") from demora
        if self._processo.returncode:
            raise GeradorError(f"{Path(self._comando[0]).name} failed: {saida.strip()[-500:]}")
        return saida
