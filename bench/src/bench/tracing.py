"""Measures the cost of traces at saturation, with tracing off and with a share of the orders sampled:
`python -m bench tracing`.

The collector accepts every span and drops it, in a separate process that is not counted.
"""

import json
import re
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench import end_to_end, rounds
from bench.cpu import OTHERS
from bench.plan import Measurement, Plan
from bench.shop import BenchError, Shop
from bench.summary import summarize
from bench.tables import to_markdown
from reservaestoque.telemetry import tracing

OFF = "off"
_CALLS = 100_000
_EXCLUDED = (OTHERS, "bench", "wrk")
_HEADINGS = ("sampled", "orders/s", "ratio", "CPU ms per order", "ratio", "bytes of spans per order", "rounds")


def run(folder: Path, plan: Plan, count: int, percents: Sequence[float]) -> str:
    """Measures each share of sampled orders, and tracing off, in interleaved rounds; returns a table."""
    found: dict[str, list[Measurement]] = {}
    with collector() as (endpoint, received), rounds.new_shop(folder) as (shop, data):
        shares: dict[str, dict[str, str]] = {OFF: {}, **{f"{p:g} %": _sampling(endpoint, p) for p in percents}}
        for number in range(1, count + 1):
            for name, settings in shares.items():
                with shop.settings(settings):
                    measurement = _measure(shop, plan, received)
                found.setdefault(name, []).append(measurement)
                raw = data / f"{number:02}-{name.removesuffix(' %')}.json"
                raw.write_text(json.dumps(measurement, indent=1) + "\n")
                print(f"round {number}: {name}, {measurement['per_second']:,.0f} orders/s", flush=True)
        text = f"{table(found)}\n\n{off_remark(found[OFF])}"
        (data / "tables.md").write_text(text + "\n")
    return f"{text}\n\nraw data: {data}"


def _sampling(endpoint: str, percent: float) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{percent / 100:g}",
    }


def _measure(shop: Shop, plan: Plan, received: "Received") -> Measurement:
    shop.reset()
    before = received.bytes()
    measurement = end_to_end.saturate(shop, plan, "uniform", 3)
    orders = int(shop.psql("pedidos", "select count(*) from pedido;"))  # those of the warm-up included
    return {**measurement, "spans": (received.bytes() - before) / orders, "conferir": shop.conferir()}


def cpu_per_order(measurement: Mapping[str, Any]) -> float:
    """Milliseconds of CPU of all the system's processes per decided order."""
    used = sum(seconds for name, seconds in measurement["cpu"].items() if name not in _EXCLUDED)
    return float(used * 1000 / (measurement["per_second"] * measurement["measured_seconds"]))


def table(found: Mapping[str, Sequence[Measurement]]) -> str:
    """A row per share: medians over the rounds, and medians of the ratios to tracing off within a round."""
    rows = []
    for name, measured in found.items():
        pairs = list(zip(measured, found[OFF], strict=True))
        rates = summarize([one["per_second"] for one in measured])
        rate_ratio = summarize([one["per_second"] / off["per_second"] for one, off in pairs])
        cpu = summarize([cpu_per_order(one) for one in measured])
        cpu_ratio = summarize([cpu_per_order(one) / cpu_per_order(off) for one, off in pairs])
        spans = summarize([one["spans"] for one in measured])
        figures = (f"{rates.median:,.0f}", f"{rate_ratio.median:.2f}", f"{cpu.median:.3f}", f"{cpu_ratio.median:.2f}")
        rows.append((name, *figures, f"{spans.median:,.0f}", str(rates.rounds)))
    return to_markdown([_HEADINGS, *rows])


def off_remark(measured: Sequence[Measurement]) -> str:
    """The time of the calls that remain on an order's path while tracing is off, relative to its CPU time."""
    micros = min(timeit.repeat(_calls_of_an_order, number=_CALLS, repeat=7)) / _CALLS * 1e6
    share = micros / 1000 / summarize([cpu_per_order(one) for one in measured]).median
    return f"With tracing off, its calls take {micros:.2f} µs of an order: {share:.2%} of the CPU time."


def _calls_of_an_order() -> None:
    """The request's metric, commit and wait, and the decision's metric; others are per batch, connection or start."""
    tracing.exemplar()
    with tracing.span("commit"):
        pass
    with tracing.span("await decision"):
        pass
    tracing.exemplar("")


class Received:
    """The bytes of spans that a collector has received."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def bytes(self) -> int:
        """The bytes of spans so far. Raises BenchError when the collector has ended."""
        if not (self._process.stdin and self._process.stdout):
            raise BenchError("the collector has no pipes")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchError("the collector has ended")
        return int(answer)


@contextmanager
def collector() -> Iterator[tuple[str, Received]]:
    """A collector in a separate process: its address, and what it has received."""
    argv = [sys.executable, "-m", "bench.tracing"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not re.fullmatch(r"\d+", port):
                raise BenchError("the collector has not started")
            yield f"http://127.0.0.1:{port}", Received(process)
        finally:
            process.terminate()


def _collect() -> None:
    """Accepts OTLP over HTTP on a free port, which it prints; for each line it reads, prints the bytes received."""
    received = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal received
            received += self._read()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _read(self) -> int:
            length = self.headers["Content-Length"]
            if length is not None:
                return len(self.rfile.read(int(length)))
            total = 0
            while size := int(self.rfile.readline(), 16):
                total += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return total

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in sys.stdin:
            print(received, flush=True)


if __name__ == "__main__":
    _collect()
