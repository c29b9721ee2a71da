"""Spans of SQL statements, as OpenTelemetry's conventions for databases describe them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg.connection import LoggedQuery
from opentelemetry.trace import SpanKind

from reservaestoque.postgres.queries import name_of
from reservaestoque.telemetry import tracing


def trace_statements(connection: Any) -> None:
    """Records a span for each statement that this connection executes within another span.

    Statements outside one, such as polls of the outbox, leave no span.
    """
    if tracing.enabled():
        connection.add_query_logger(_record)


def _record(query: LoggedQuery) -> None:
    if tracing.current() is None:
        return
    name = name_of(query.query) or query.query.split(maxsplit=1)[0].rstrip(";").upper()
    span = tracing.start(
        name,
        kind=SpanKind.CLIENT,
        since=datetime.now(UTC) - timedelta(seconds=query.elapsed),
        attributes={
            "db.system.name": "postgresql",
            "db.namespace": query.conn_params.database,
            "db.query.summary": name,
            "server.address": str(query.conn_addr[0]),
            "server.port": query.conn_addr[1],
        },
    )
    if query.exception is not None:
        tracing.fail(span, query.exception)
    span.end()
