"""Finds and runs the programs that people use."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

DE_ONDE = {
    "docker": "a container engine, https://docs.docker.com/engine/install/",
    "kind": "makes the cluster, https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "helm": "https://helm.sh/docs/intro/install/",
    "skaffold": "https://skaffold.dev/docs/install/",
}


class FerramentaError(Exception):
    """A program is missing or failed; the message is for a person."""


def exigir(nomes: Iterable[str]) -> None:
    """Raises FerramentaError naming each program that is missing, and where it is to be had."""
    faltam = [f"{nome} is missing: install it ({DE_ONDE[nome]})" for nome in nomes if shutil.which(nome) is None]
    if faltam:
        raise FerramentaError("\n".join(faltam))


def executar(*argv: str, entrada: str = "", segundos: float = 120, ambiente: Mapping[str, str] | None = None) -> str:
    """Its standard output. Raises FerramentaError with what it printed when it fails or takes too long."""
    comando = " ".join(argv[:4])
    try:
        feito = subprocess.run(
            argv,
            input=entrada,
            capture_output=True,
            text=True,
            timeout=segundos,
            check=False,
            env={**os.environ, **(ambiente or {})},
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired as demais:
        raise FerramentaError(f"{comando} did not finish within {segundos:.0f} s") from demais
    if feito.returncode:
        raise FerramentaError(f"{comando} failed ({feito.returncode}):\n{feito.stdout}\n{feito.stderr}")
    return feito.stdout
