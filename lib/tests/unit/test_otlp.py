"""The exporter against a collector whose answers may never end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from http_here import serving

from reservaestoque.telemetry import exporting_traces, tracing

SHORT, ENDLESS = 2, 10**9


@contextmanager
def answering(size: int) -> Iterator[tuple[str, list[int], threading.Event]]:
    """A collector that announces `size` bytes: its address, the client port of each export, its client has left."""
    ports: list[int] = []
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            ports.append(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(b"{}")
            if size != SHORT:
                self.connection.settimeout(5)
                if not self.rfile.read(1):
                    left.set()
                self.close_connection = True

    with serving(Handler) as url:
        yield url, ports, left


def _export(endpoint: str, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    with exporting_traces("pedidos"):
        for _ in range(times):
            tracing.start("commit").end()


def test_an_answer_that_does_not_end_is_not_read(monkeypatch: pytest.MonkeyPatch):
    with answering(ENDLESS) as (endpoint, ports, left):
        _export(endpoint, monkeypatch, times=2)
        assert left.wait(4), "the exporter reads on"
        assert len(set(ports)) == 2, "the next spans are exported over another connection"


def test_an_ordinary_answer_leaves_its_connection_to_the_next_export(monkeypatch: pytest.MonkeyPatch):
    with answering(SHORT) as (endpoint, ports, _):
        _export(endpoint, monkeypatch, times=3)
    assert len(ports) == 3
    assert len(set(ports)) == 1
