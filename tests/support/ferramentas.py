"""Helm, and the definitions of other operators' resources: from this machine, or through Go modules into a cache."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

from local_system.kube_binaries import cache_folder

HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
# Whose definitions lie in their Go modules: nothing is compiled.
CRDS = {
    "github.com/cloudnative-pg/cloudnative-pg@v1.27.0": "config/crd/bases/*.yaml",
    "github.com/rabbitmq/cluster-operator/v2@v2.16.0": "config/crd/bases/*.yaml",
    "github.com/rabbitmq/messaging-topology-operator@v1.15.0": "config/crd/bases/*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases/*.yaml",
    "sigs.k8s.io/gateway-api@v1.4.0": "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
}


class FaltaError(Exception):
    """A tool cannot be had on this machine; the message says what would help."""


def helm() -> Path:
    """The program on PATH, or one built with Go: once, some minutes. Raises FaltaError."""
    if found := shutil.which("helm"):
        return Path(found)
    version = HELM.rpartition("@")[2]
    folder = cache_folder(os.environ).parent / f"helm-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "helm").exists():
            _go("install", HELM, env={"GOBIN": str(folder), "CGO_ENABLED": "0"})
    return folder / "helm"


def crds() -> list[Path]:
    """Files of definitions, in the order of the table. Raises FaltaError."""
    files: list[Path] = []
    for module, pattern in CRDS.items():
        folder = Path(json.loads(_go("mod", "download", "-json", module))["Dir"])
        files += sorted(folder.glob(pattern))
    return files


def _go(*args: str, env: dict[str, str] | None = None) -> str:
    go = shutil.which("go")
    if go is None:
        raise FaltaError(f"neither helm nor Go is installed: install helm, or Go for `go {' '.join(args)}`")
    environ = {**os.environ, "GOFLAGS": "", "GOWORK": "off", **(env or {})}
    done = subprocess.run([go, *args], env=environ, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise FaltaError(f"go {' '.join(args)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout
