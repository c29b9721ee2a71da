"""Telemetry: logs as JSON lines, trace contexts. Metrics live beside what they measure."""

from reservaestoque.telemetry.logs import configure_logs, logger

__all__ = ["configure_logs", "logger"]
