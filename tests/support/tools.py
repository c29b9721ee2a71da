"""Helm, a linter, definitions of other operators, Barman: from this machine, or as packages in a cache.

`python -m tools` prepares everything that must be built, and kube-apiserver and kubectl, because a build takes all
cores for minutes.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local_system import LocalSystemError
from local_system.kube_binaries import cache_folder, find_or_get

HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"
BARMAN = Path(__file__).resolve().parents[2] / "requirements/barman.txt"
# Their definitions are in their Go modules: nothing is compiled.
CRDS = {
    "github.com/cloudnative-pg/cloudnative-pg@v1.27.0": "config/crd/bases/*.yaml",
    "github.com/rabbitmq/cluster-operator/v2@v2.16.0": "config/crd/bases/*.yaml",
    "github.com/rabbitmq/messaging-topology-operator@v1.15.0": "config/crd/bases/*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases/*.yaml",
    "sigs.k8s.io/gateway-api@v1.4.0": "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
}


class MissingError(Exception):
    """A tool is missing and cannot be built here; the message names the remedy."""


def helm() -> Path:
    """The program on PATH, or one built with Go, which takes some minutes once. Raises MissingError."""
    return _program("helm", HELM)


def kube_score() -> Path:
    """The linter of manifests, found or built likewise. Raises MissingError."""
    return _program("kube-score", KUBE_SCORE)


def barman() -> Path:
    """The folder of Barman's programs for object stores, and of rclone, which serves as one: requirements/barman.txt.

    A separate environment, created once: they need other releases of our programs' dependencies. Raises MissingError.
    """
    pins = BARMAN.read_bytes()
    folder = cache_folder(os.environ).parent / f"barman-{hashlib.sha256(pins).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            pip = folder / "env/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"
            for argv in ((sys.executable, "-m", "venv", "--clear", folder / "env"), (*pip, "--requirement", BARMAN)):
                done = subprocess.run(argv, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise MissingError(f"barman cannot be installed: {(done.stderr or done.stdout).strip()[-500:]}")
            (folder / "ready").touch()
    return folder / "env/bin"


def _program(name: str, package: str) -> Path:
    if found := shutil.which(name):
        return Path(found)
    folder = cache_folder(os.environ).parent / f"{name}-{package.rpartition('@')[2]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / name).exists():
            _go("install", package, env={"GOBIN": str(folder), "CGO_ENABLED": "0"})
    return folder / name


def crds() -> list[Path]:
    """Files of definitions, in the order of the table. Raises MissingError."""
    files: list[Path] = []
    for name, pattern in CRDS.items():
        files += sorted(module(name).glob(pattern))
    return files


def module(name: str) -> Path:
    """The folder of a Go module's source. Raises MissingError."""
    return Path(json.loads(_go("mod", "download", "-json", name))["Dir"])


def _go(*args: str, env: dict[str, str] | None = None) -> str:
    go = shutil.which("go")
    if go is None:
        raise MissingError(
            f"Go is not installed, for `go {' '.join(args)}`: install it, or put helm and kube-score on PATH"
        )
    environ = {**os.environ, "GOFLAGS": "", "GOWORK": "off", **(env or {})}
    done = subprocess.run([go, *args], env=environ, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"go {' '.join(args)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def get_all(report: Callable[[str], None]) -> None:
    """Builds everything missing on this machine. `report` receives a sentence for each tool that cannot be built."""
    for get in (lambda: find_or_get(report), helm, kube_score, crds):
        try:
            get()
        except (MissingError, LocalSystemError) as missing:
            report(str(missing))


if __name__ == "__main__":
    get_all(lambda sentence: print(sentence, flush=True))
