"""The load generator: wrk, for as many orders as the system takes or for a constant rate."""

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
    """wrk is missing or failed; a sentence for a person."""


@dataclass(frozen=True)
class Respostas:
    """What wrk saw. Latencies in milliseconds, from the request to its answer.

    atrasadas: requests at a constant rate that were sent 10 ms or more after their time, since nobody was free.
    """

    total: int
    falhas: int
    atrasadas: int
    segundos: float
    p50: float
    p99: float
    maximo: float


def programa() -> str:
    """Where wrk is. Raises GeradorError which says how to get it."""
    achado = shutil.which("wrk")
    if achado is None:
        raise GeradorError("wrk is missing: `make bench` installs it (bench/setup/wrk.sh)")
    return achado


def wrk(
    url: str, corpos: Path, *, conexoes: int, segundos: int, espera: bool = True, por_segundo: int = 0
) -> list[str]:
    """The command for `conexoes` customers who order one thing after the other, or so many orders a second in all.

    The latter whether they are answered or not, as long as one of the customers is free.
    """
    return [
        *(programa(), "--threads", "1", "--connections", str(conexoes), "--duration", f"{segundos}s"),
        *("--timeout", "30s", "--script", str(WRK_LUA), url, "--"),
        *(str(corpos), ESPERA if espera else "", str(por_segundo)),
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
        atrasadas=n["atrasados"],
        segundos=n["microssegundos"] / 1e6,
        p50=n["p50"] / 1e3,
        p99=n["p99"] / 1e3,
        maximo=n["max"] / 1e3,
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
