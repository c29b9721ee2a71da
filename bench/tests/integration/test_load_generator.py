"""The load generator wrk against a server of its own."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import load_generator
from bench.load_generator import GeneratorProcess

pytestmark = pytest.mark.integration

SECONDS = 3
CONNECTIONS = 32
ANSWER_SECONDS = 0.05


class Handler(BaseHTTPRequestHandler):
    """Answers 201 after a while."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(ANSWER_SECONDS)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("load_generator")
@pytest.mark.parametrize("per_second", [20, 100])
def test_a_constant_rate_does_not_depend_on_the_answers(server: str, tmp_path: Path, per_second: int) -> None:
    bodies = tmp_path / "bodies"
    bodies.write_text("{}\n")
    command = load_generator.wrk(server, bodies, connections=CONNECTIONS, seconds=SECONDS, per_second=per_second)
    with GeneratorProcess(command, SECONDS) as process:
        seen = load_generator.parse_wrk(process.output())
    assert seen.total / seen.seconds == pytest.approx(per_second, rel=0.1), "saturation would be 640 per second"
    assert seen.failures == 0
    assert seen.p50 >= 1_000 * ANSWER_SECONDS
