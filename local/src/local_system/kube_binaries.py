"""kube-apiserver and kubectl: from KUBEBUILDER_ASSETS, the cache, the official download or a Go build."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from local_system.config import ROOT
from local_system.errors import LocalSystemError

VERSION = "v1.36.3"
NAMES = ("kube-apiserver", "kubectl")
MODULE = ROOT / "local" / "kube"
_DOWNLOADS = "https://dl.k8s.io"
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_TICK_SECONDS = 30

Report = Callable[[str], None]


@dataclass(frozen=True)
class Binaries:
    """The paths of the two programs."""

    apiserver: Path
    kubectl: Path

    @classmethod
    def within(cls, folder: Path) -> "Binaries | None":
        """Those in a folder, None when one is missing."""
        paths = [folder / name for name in NAMES]
        return cls(*paths) if all(os.access(path, os.X_OK) for path in paths) else None


def find_or_get(report: Report, environ: Mapping[str, str] = os.environ) -> Binaries:
    """The programs, downloaded or built into the cache when this machine has none.

    Raises LocalSystemError, which says what was tried and what would help.
    """
    assets = environ.get("KUBEBUILDER_ASSETS", "")
    cache = cache_folder(environ)
    if found := (Binaries.within(Path(assets)) if assets else None) or Binaries.within(cache):
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with (cache.parent / f"{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another system on this machine may be fetching them right now
        return Binaries.within(cache) or _get(cache, environ, report)


def _get(cache: Path, environ: Mapping[str, str], report: Report) -> Binaries:
    report(f"kube-apiserver and kubectl {VERSION} are not on this machine yet; they go to {cache}")
    try:
        _download(cache, environ, report)
    except (LocalSystemError, httpx.HTTPError, OSError) as error:
        report(f"the official download failed ({error or type(error).__name__}); building from source instead")
        build(cache, report)
    found = Binaries.within(cache)
    if found is None:
        raise LocalSystemError(f"kube-apiserver or kubectl did not appear in {cache}")
    return found


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`~/.cache/reservaestoque/<version>`, shared by all checkouts of this user."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "reservaestoque" / VERSION


def _download(cache: Path, environ: Mapping[str, str], report: Report) -> None:
    base = environ.get("KUBERNETES_DOWNLOAD_URL") or _DOWNLOADS
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    if platform.system() != "Linux" or machine is None:
        raise LocalSystemError(f"there is no official kube-apiserver for {platform.system()} {platform.machine()}")
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        for name in NAMES:
            _download_one(client, f"{base}/{VERSION}/bin/linux/{machine}/{name}", cache / name, report)


def _download_one(client: httpx.Client, url: str, target: Path, report: Report) -> None:
    expected = client.get(f"{url}.sha256").raise_for_status().text.strip()
    draft = target.with_suffix(".part")
    digest = hashlib.sha256()
    with client.stream("GET", url) as answer, draft.open("wb") as file:
        answer.raise_for_status()
        total, got, reported = int(answer.headers.get("content-length", 0)), 0, 0
        for chunk in answer.iter_bytes(1 << 20):
            file.write(chunk)
            digest.update(chunk)
            got += len(chunk)
            if total and got * 10 // total > reported:
                reported = got * 10 // total
                report(f"downloading {target.name}: {reported * 10}% of {total >> 20} MiB")
    if digest.hexdigest() != expected:
        draft.unlink()
        raise LocalSystemError(f"{url} has the wrong SHA-256 checksum")
    draft.chmod(0o755)
    draft.replace(target)


def build(cache: Path, report: Report) -> None:
    """Builds both programs with Go from local/kube. Raises LocalSystemError if Go is missing, too old or fails."""
    go = shutil.which("go")
    if go is None:
        raise LocalSystemError(
            f"kube-apiserver {VERSION} could not be downloaded and Go is not installed to build it: install Go "
            f"{_go_needed()} or later, or set KUBEBUILDER_ASSETS to a folder that has {' and '.join(NAMES)}"
        )
    report(f"building kube-apiserver and kubectl {VERSION} with Go, once: 3 to 20 minutes, 4 GB of disk")
    flags = {"k8s.io/component-base/version.gitVersion": VERSION, "k8s.io/client-go/pkg/version.gitVersion": VERSION}
    major, minor, _ = VERSION.lstrip("v").split(".")
    flags |= {"k8s.io/component-base/version.gitMajor": major, "k8s.io/component-base/version.gitMinor": minor}
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in flags.items())])
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in NAMES]
    draft = cache / "build"
    draft.mkdir(exist_ok=True)
    argv = [go, "build", "-trimpath", "-mod=readonly", f"-ldflags={linker}", "-o", f"{draft}/", *packages]
    _run_with_progress(argv, report)
    for name in NAMES:
        (draft / name).replace(cache / name)
    shutil.rmtree(draft)


def _run_with_progress(argv: list[str], report: Report) -> None:
    began = time.monotonic()
    finished = threading.Event()

    def tick() -> None:
        while not finished.wait(_TICK_SECONDS):
            report(f"still building, {(time.monotonic() - began) / 60:.1f} minutes so far")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        returned, output = _run_group(argv)
    finally:
        finished.set()
        ticker.join()
    if returned:
        needs = re.search(r"requires go >= (\S+) \(running go (\S+?)[;)]", output)
        if needs:
            raise LocalSystemError(
                f"Go {needs[2]} is too old to build kube-apiserver: install Go {needs[1]} or later"
            )
        raise LocalSystemError(f"the Go build of kube-apiserver failed:\n{output.strip()[-2000:]}")
    report(f"built in {(time.monotonic() - began) / 60:.1f} minutes")


def _run_group(argv: list[str]) -> tuple[int, str]:
    """Exit code and output. On an interruption, Go is killed together with the compilers that it started."""
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=MODULE, env=environ, stderr=pipe, text=True, start_new_session=True) as go:
        try:
            _, output = go.communicate()
        except BaseException:
            os.killpg(go.pid, signal.SIGKILL)
            raise
    return go.returncode, output


def _go_needed() -> str:
    found = re.search(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "1.26"
