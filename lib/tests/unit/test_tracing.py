import subprocess
import sys

import pytest

from reservaestoque.telemetry import tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"


def test_without_an_endpoint_nothing_is_recorded_and_no_sdk_is_loaded():
    program = (
        "import sys\n"
        "from reservaestoque.telemetry import exporting_traces, traced, tracing\n"
        "with exporting_traces('pedidos', {}):\n"
        "    assert not tracing.enabled()\n"
        "    assert traced(print) is print\n"
        "    with tracing.span('commit') as span: assert span is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'google', 'requests'))])\n"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_span_cannot_be_started_while_tracing_is_off():
    assert (tracing.current(), tracing.carried(), tracing.ids_of_current()) == (None, "", {})
    assert (tracing.exemplar(), tracing.exemplar(SAMPLED)) == (None, None)
    with pytest.raises(RuntimeError, match="tracing is off"):
        tracing.start("commit")


@pytest.mark.parametrize(
    ("traceparent", "exemplar"), [(SAMPLED, {"trace_id": TRACE}), (SAMPLED[:-1] + "0", None), ("", None)]
)
def test_only_a_sampled_trace_is_an_exemplar(monkeypatch: pytest.MonkeyPatch, traceparent: str, exemplar: object):
    monkeypatch.setattr(tracing._Recording, "tracer", object())
    assert tracing.exemplar(traceparent) == exemplar
    assert tracing.exemplar() is None, "no span is current"
