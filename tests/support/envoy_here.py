"""Envoy on this machine, with services that are a few lines of Python."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import libyaml

from local_system import gateway
from local_system.checks import PLAIN_HTTP
from local_system.config import ROOT
from local_system.ports import HOST

REFILL_SECONDS = 3600
"""The period in which `without_refill` adds the tokens of one second."""


@dataclass
class Service:
    """Answers 200 and echoes the request, unless `answer` overrides it; `headers` are those of the last request."""

    name: str
    port: int = 0
    ready: bool = True
    seen: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None
    begin: Callable[[], None] = lambda: None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/health/ready":
            self.reply(200 if self.service.ready else 503, "")
            return
        self.service.seen.append(f"{self.command} {self.path}")
        self.service.headers = {name.lower(): value for name, value in self.headers.items()}
        if self.service.answer:
            self.service.answer(self)
        else:
            self.reply(200, f"{self.service.name} {self.command} {self.path}")

    do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

    def reply(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request: object, client_address: object) -> None:
        return  # the test drops the connection on purpose


@contextmanager
def serving(name: str, *, late: bool = False) -> Iterator[Service]:
    """A service on its own port; a late one refuses connections until `begin` is called."""
    service = Service(name)
    handler = type("Of", (Handler,), {"service": service})
    with QuietServer(("127.0.0.1", 0), handler, bind_and_activate=False) as server:
        server.server_bind()
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))

        def begin() -> None:
            server.server_activate()
            thread.start()

        service.begin = begin
        if not late:
            begin()
        try:
            yield service
        finally:
            if thread.is_alive():
                server.shutdown()
                thread.join()


@contextmanager
def running(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[httpx.Client, Path]]:
    """Envoy with this configuration once it is ready: a client of its first listener, and its log."""
    (folder / "envoy.yaml").write_text(text)
    config = libyaml.load(text)
    listener = config["static_resources"]["listeners"][0]
    port, admin = (address["address"]["socket_address"]["port_value"] for address in (listener, config["admin"]))
    log = folder / "envoy.log"
    argv = [gateway.BINARY, "-c", folder / "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"]
    argv += ["-l", "warning", "--file-flush-interval-msec", "100"]
    with (
        log.open("wb") as file,
        subprocess.Popen(argv, stdout=file, stderr=file, env={**os.environ, **(env or {})}) as process,
    ):
        try:
            until(
                lambda: (
                    httpx.get(f"http://{HOST}:{admin}/ready", trust_env=False, verify=PLAIN_HTTP).status_code == 200
                )
            )
            with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, verify=PLAIN_HTTP) as client:
                yield client, log
        finally:
            process.terminate()
    assert "script log" not in log.read_text(errors="replace"), "an error in Lua"


def without_refill(text: str) -> str:
    """The configuration with token buckets that time does not refill, however slow the machine is."""
    assert "fill_interval: 1s" in text
    return text.replace("fill_interval: 1s", f"fill_interval: {REFILL_SECONDS}s")


def lines(log: Path) -> list[dict[str, Any]]:
    """The requests in Envoy's log."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def validate(folder: Path, text: str) -> None:
    """Asserts that Envoy accepts this configuration without a deprecation warning."""
    (folder / "envoy.yaml").write_text(text)
    argv = [gateway.BINARY, "--mode", "validate", "-c", folder / "envoy.yaml"]
    env = {**os.environ, "SUBJECT_KEY": "0" * 32}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert "deprecat" not in done.stderr.lower()


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.05)


def started(folder: Path, patience: int) -> bool:
    """Runs the chart's startup probe; returns whether it succeeded."""
    admin = libyaml.load((folder / "envoy.yaml").read_text())["admin"]["address"]["socket_address"]["port_value"]
    argv = ["bash", ROOT / "charts/gateway/files/lifecycle.sh", "started", str(patience)]
    done = subprocess.run(argv, env={**os.environ, "ADMIN_PORT": str(admin)}, capture_output=True, check=False)
    assert not done.stderr
    return done.returncode == 0
