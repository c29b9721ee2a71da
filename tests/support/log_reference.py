"""Writes docs/logs.md: every event that the programs log, read from the calls in their source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logs.md"
SOURCES = {
    "Every program": "lib/src",
    "pedidos": "services/pedidos/src",
    "estoque": "services/estoque/src",
    "operador": "operator/src",
    "conferir": "conferir/src",
    "painel": "painel/src",
}
LEVELS = ("debug", "info", "warning", "error", "exception")
INTRODUCTION = """\
# Logs

Every event that the programs log, generated from the code by `make reference`. A line is a JSON object on standard
error with `timestamp`, `level`, `logger` (the module), `program`, `event`, and the event's own fields. Lines written
within a span have `trace_id` and `span_id` ([traces](operations.md#traces)). Times are in seconds, and `pedidos`
lists the ids of the orders concerned, at most 20. Lines of libraries have the same form, with their message as
`event`. The gateway logs [each request](security.md#the-access-log).

| level | means |
|---|---|
| `error` | a defect, or something that a person must look at; an alert or a dead letter usually comes with it |
| `warning` | the program copes by itself, but something outside it is unavailable, slow or unexpected |
| `info` | a normal event that is rare enough to be of interest |
| `debug` | for development; not logged by default (`LOG_LEVEL`) |
"""
HEAD = "| event | level | meaning | fields | module |\n|---|---|---|---|---|"
MEANINGS = {
    "background_task_cancelled": "a task was cancelled, but not by the program, which now stops",
    "background_task_failed": "a task of the program failed, and the program stops, to be restarted",
    "batch_held": "a batch cannot be committed, as while the database is unavailable; retried with back-off",
    "broker_connection_lost": "a connection to the broker ended with this fault; another one is opened",
    "broker_does_not_answer": "the broker has not answered within this time, so the connection is aborted",
    "commands_given_up": "commands stayed unanswered for `RESEND_HORIZON` and are no longer resent",
    "commands_resent": "commands stayed unanswered for `RESEND_AFTER` and were sent again",
    "commit_takes_too_long": "a group commit takes too long; its requests and those that wait are answered 503",
    "connection_closed_abruptly": "a database connection did not close in time and was dropped",
    "connections_replaced": "all database connections are being replaced: the server has changed or is stopping",
    "database_read_only": "an administrator has stopped writes on the database",
    "database_unreachable": "the readiness check got no answer from the database",
    "access_not_renewed": "token or certificates cannot be read, or more has changed; the old ones stay",
    "watch_logs_in_again": "the API server refuses the credentials or closes connections early; retried",
    "k8s_event_not_posted": "the API server did not accept a Kubernetes Event; the conditions say the same",
    "event_dead_lettered": "an event could not be processed and went to the dead letters",
    "events_blocked": "events wait for a row that another session has locked; the rest of their batch proceeds",
    "events_put_back": "many events wait for locks, so they went back to the end of the queue in fewer messages",
    "feed_position_lost": "the change log lacks the feed's position; clients that resume are answered 410",
    "finalizers_not_changed": "the API server failed to change the finalizers of these items; retried",
    "follow_ups_given_up": "pedidos no longer asks about lapsed reservations whose end was never reported",
    "item_blocked": "another session has locked the stock row of a StockItem, which is retried",
    "item_rejected": "PostgreSQL refuses the data of a StockItem; its condition says why",
    "job_failed": "a periodic job failed and is retried with back-off",
    "listen_connection_lost": "the connection for notifications ended; waiting requests look again when it is back",
    "message_properties_unreadable": "a message has properties that cannot be parsed; it is processed without them",
    "outbox_full_of_unknown_facts": "too many rows have facts of another release, so all facts wait for it",
    "publish_failed": "events could not be published; they stay in the outbox and are retried",
    "outbox_unknown_facts": "the outbox has rows with a fact that only another release can publish",
    "port_not_bound": "the address for health and metrics or for the API is in use or not allowed; the program ends",
    "position_lost": "the change log no longer has the operator's position, so it compares all StockItems",
    "replica_silent": "a replica of a part did not answer the panel",
    "request_failed": "a request failed because of a defect and was answered 500",
    "request_not_answered": "a request could not be answered because of a defect; its connection was closed",
    "request_unavailable": "a request failed because a dependency is unavailable and was answered 503",
    "reservas_swept": "lapsed reservations were ended",
    "rows_without_stockitem": "sellable stock rows have no StockItem",
    "status_not_written": "the API server failed to write a status; retried",
    "stockitem_vanished_unseen": "a StockItem was deleted while the operator did not watch; its row is ended now",
    "stop_took_too_long": "the program did not stop in time and exits at once; nothing is lost",
    "stopping": "the program received SIGTERM or SIGINT",
    "stream_stuck": "an event stream ended because its client read nothing for this time",
    "unheard_lapses_cancelled": "orders were cancelled without a notice of their lapse: messages were lost",
    "sync_deferred": "the database is unavailable, so StockItems wait to be synchronised",
    "violation": "`conferir` found an invariant violated; `key` names the order or the SKU",
}


class Logged(NamedTuple):
    """A call that logs an event."""

    event: str
    level: str
    fields: tuple[str, ...]
    module: str


class UnreadableCallError(Exception):
    """A call whose event or fields are not literally in the source."""


def page() -> str:
    """The text of docs/logs.md. Raises KeyError for an event without a meaning, and UnreadableCallError."""
    parts = [INTRODUCTION]
    for title, folder in SOURCES.items():
        logged = sorted(
            {call for path in sorted((ROOT / folder).rglob("*.py")) for call in calls(path, ROOT / folder)}
        )
        if logged:
            package = logged[0].module.partition(".")[0]
            parts.append(f"## {title}\n\nModules of the package `{package}`.\n")
            parts += [HEAD, *(_row(one) for one in logged), ""]
    return "\n".join(parts)


def _row(one: Logged) -> str:
    fields = ", ".join(f"`{name}`" for name in one.fields)
    module = one.module.partition(".")[2]
    return f"| `{one.event}` | {one.level} | {MEANINGS[one.event]} | {fields} | `{module}` |"


def calls(path: Path, root: Path) -> Iterator[Logged]:
    """The log calls of a module: methods of what `logger(…)` returned."""
    tree = ast.parse(path.read_text())
    loggers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _last(node.value.func) == "logger"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _last(node.func.value) in loggers:
            yield _read(node, node.func.attr, module)


def _read(call: ast.Call, method: str, module: str) -> Logged:
    event = call.args[0] if len(call.args) == 1 else None
    names = [keyword.arg for keyword in call.keywords]
    if method not in LEVELS or not isinstance(event, ast.Constant) or None in names:
        raise UnreadableCallError(f"{module}, line {call.lineno}")
    fields = ["exception" if name == "exc_info" else str(name) for name in names]
    if method == "exception":
        fields.append("exception")
    return Logged(str(event.value), "error" if method == "exception" else method, tuple(fields), module)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is up to date\n")
