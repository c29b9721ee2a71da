import pytest
from prometheus_client import Histogram

from reservaestoque.telemetry.exposition import exposed

TEXT = "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0"
GARBAGE = "application/openmetrics-text;version=abc"
PROMETHEUS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"


@pytest.mark.parametrize(("accept", "content_type"), [("", TEXT), ("*/*", TEXT), (PROMETHEUS, OPEN), (GARBAGE, TEXT)])
def test_exemplars_are_shown_to_those_who_accept_them(accept: str, content_type: str):
    seconds = Histogram(f"exposed_{len(accept)}_seconds", "for this test")
    seconds.observe(0.3, {"trace_id": "abc"})
    page, sent = exposed(accept)
    assert sent.startswith(content_type)
    assert f"exposed_{len(accept)}_seconds_sum 0.3" in page.decode()
    assert ('# {trace_id="abc"} 0.3' in page.decode()) == (content_type == OPEN)
