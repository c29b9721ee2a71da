"""Where kube-apiserver and kubectl come from, with a local download server and a Go that is a script."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local_system import kube_binaries
from local_system.errors import LocalSystemError
from local_system.kube_binaries import NAMES, VERSION, find_or_get


@dataclass
class Downloads:
    url: str = ""
    corrupt: bool = False
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    state = Downloads()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            name = Path(self.path).name.removesuffix(".sha256")
            body = f"#!/bin/sh\necho {name}\n".encode()
            if self.path.endswith(".sha256"):
                body = hashlib.sha256(body).hexdigest().encode()
            elif state.corrupt:
                body += b"x"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(tmp_path: Path, downloads: Downloads) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "KUBERNETES_DOWNLOAD_URL": downloads.url}


def put_binaries(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def fake_go(folder: Path, script: str) -> None:
    folder.mkdir()
    (folder / "go").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "go").chmod(0o755)


def test_assets_come_first(tmp_path: Path, environ: dict[str, str], downloads: Downloads) -> None:
    put_binaries(tmp_path / "assets")
    put_binaries(kube_binaries.cache_folder(environ))
    found = find_or_get(print, {**environ, "KUBEBUILDER_ASSETS": str(tmp_path / "assets")})
    assert found.kubectl == tmp_path / "assets" / "kubectl"
    assert downloads.asked == []


def test_the_cache_comes_second(tmp_path: Path, environ: dict[str, str], downloads: Downloads) -> None:
    put_binaries(kube_binaries.cache_folder(environ))
    found = find_or_get(print, {**environ, "KUBEBUILDER_ASSETS": str(tmp_path / "nothing")})
    assert found.apiserver == tmp_path / "cache" / "reservaestoque" / VERSION / "kube-apiserver"
    assert downloads.asked == []


def test_the_download_comes_third_and_is_checked_and_kept(environ: dict[str, str], downloads: Downloads) -> None:
    said: list[str] = []
    found = find_or_get(said.append, environ)
    assert found.kubectl.read_text() == "#!/bin/sh\necho kubectl\n"
    assert found.kubectl.stat().st_mode & 0o111
    assert any("downloading kubectl: 100%" in line for line in said)
    asked = len(downloads.asked)
    assert find_or_get(said.append, environ) == found
    assert len(downloads.asked) == asked


def test_a_corrupt_download_is_not_kept_and_the_build_takes_over(
    tmp_path: Path, environ: dict[str, str], downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads.corrupt = True
    place = 'while [ "$1" != -o ]; do shift; done; touch "$2/kube-apiserver" "$2/kubectl"; chmod 755 "$2"/kube*'
    fake_go(tmp_path / "bin", place)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    said: list[str] = []
    found = find_or_get(said.append, environ)
    assert found.kubectl.read_text() == ""
    assert any("wrong SHA-256 checksum" in line for line in said)
    assert any(line.startswith("built in") for line in said)
    assert sorted(path.name for path in found.kubectl.parent.iterdir()) == sorted(NAMES)


def test_two_systems_at_once_download_the_binaries_once(environ: dict[str, str], downloads: Downloads) -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: find_or_get(lambda _: None, environ), range(2))
    assert first == second
    assert len(downloads.asked) == 2 * len(NAMES)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (None, r"Go is not installed to build it: install Go 1\.26\.0 or later, or set KUBEBUILDER_ASSETS"),
        (
            "echo 'go: go.mod requires go >= 1.26.0 (running go 1.19.8; GOTOOLCHAIN=local)' >&2; exit 1",
            r"Go 1\.19\.8 is too old to build kube-apiserver: install Go 1\.26\.0 or later",
        ),
        ("echo 'no space left on device' >&2; exit 1", r"the Go build of kube-apiserver failed:\nno space left"),
    ],
)
def test_an_impossible_build_says_what_would_help(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, script: str | None, sentence: str
) -> None:
    if script is None:
        (tmp_path / "bin").mkdir()
    else:
        fake_go(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    unreachable = {**environ, "KUBERNETES_DOWNLOAD_URL": "http://127.0.0.1:1"}
    with pytest.raises(LocalSystemError, match=sentence):
        find_or_get(lambda _: None, unreachable)
