"""Logs as JSON lines on standard error, for our own loggers and for those of libraries alike."""

import logging
import sys
from collections.abc import Iterable
from itertools import islice

import structlog
from structlog.typing import Processor

from reservaestoque.telemetry import tracing

MAX_IDS = 20
"""Maximum number of order ids per log line."""


def configure_logs(program: str, level: str) -> None:
    """Sends every log record of this process to standard error, one JSON object per line.

    Each line carries ``program``, ``level``, ``logger``, ``timestamp`` (RFC 3339, UTC) and ``event``; with tracing
    on, lines written within a span carry ``trace_id`` and ``span_id``.
    """

    def name_program(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["program"] = program
        return event

    def name_trace(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.update(tracing.ids_of_current())
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_program,
        name_trace,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structured logger: ``log.info("event_name", key=value)``."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log


def first_ids(ids: Iterable[object]) -> list[str]:
    """The first MAX_IDS of these ids, as text for a log line."""
    return [str(one) for one in islice(ids, MAX_IDS)]
