"""Telemetry: logs as JSON lines, and traces. Metrics are defined beside the code that they measure."""

from reservaestoque.telemetry.logs import configure_logs, first_ids, logger
from reservaestoque.telemetry.requests import App, traced
from reservaestoque.telemetry.tracing import exporting_traces

__all__ = ["App", "configure_logs", "exporting_traces", "first_ids", "logger", "traced"]
