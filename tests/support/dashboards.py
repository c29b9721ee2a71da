"""Writes the Grafana dashboards of the umbrella chart: one for each question, made of the panels below."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "charts" / "reserva-estoque" / "files" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8
EVERY = "[$__rate_interval]"
IN_NAMESPACE = 'namespace="$namespace"'
QUEUES = 'queue=~"estoque.pedidos|pedidos.status"'
INGRESS = f'{IN_NAMESPACE},envoy_http_conn_manager_prefix="ingress"'


Query = tuple[str, str]
"""An expression, and the legend of its series."""


@dataclass(frozen=True)
class Panel:
    """A panel: its title, its queries with their legends, and how its values are shown.

    `red` is the value at which a stat turns red; a panel without it is a time series. `about` explains it on hover.
    """

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    red: float | None = None
    about: str = ""
    width: int = 8
    stacked: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A question, and the panels that answer it."""

    name: str
    title: str
    panels: Sequence[Panel]


def quantiles(metric: str, by: str = "", where: str = IN_NAMESPACE, of: Sequence[float] = (0.5, 0.99)) -> list[Query]:
    """Queries of quantiles of a histogram, by labels."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ".replace(", ", "}} {{")) if by else ("le", "")
    buckets = f"sum by ({labels}) (rate({metric}_bucket{{{where}}}{EVERY}))"
    return [(f"histogram_quantile({q}, {buckets})", f"{legend}p{q * 100:g}") for q in of]


def per_second(metric: str, by: str = "", where: str = IN_NAMESPACE, legend: str = "") -> Query:
    """A query of a counter's rate, by a label."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{where}}}{EVERY}))", legend or (f"{{{{{by}}}}}" if by else metric)


def highest(metric: str, by: str = "", legend: str = "", where: str = IN_NAMESPACE) -> Query:
    """A query of a gauge that every replica reports alike, by a label."""
    grouped = f" by ({by})" if by else ""
    return f"max{grouped} ({metric}{{{where}}})", legend or (f"{{{{{by}}}}}" if by else metric)


SELLING = Dashboard(
    "selling",
    "Is the shop selling?",
    [
        Panel(
            "Rule violations",
            [(f"sum(conferir_violations_total{{{IN_NAMESPACE}}})", "violations")],
            red=1,
            about="Violations that the auditor, conferir, has found. Must stay 0.",
            width=6,
        ),
        Panel(
            "Late orders, last hour",
            [(f"reservaestoque:decisions_slow:ratio_rate1h{{{IN_NAMESPACE}}}", "later than 2 s")],
            unit="percentunit",
            red=0.001,
            about="The objective is 0.1 % over 30 days.",
            width=6,
        ),
        Panel(
            "Failed requests, last hour",
            [(f"reservaestoque:requests_failed:ratio_rate1h{{{IN_NAMESPACE}}}", "{{requests}}")],
            unit="percentunit",
            red=0.001,
            about="The objective is 0.1 % over 30 days.",
            width=6,
        ),
        Panel(
            "Dead letters",
            [(f"sum(max by (queue) (consumer_dead_letter_messages{{{IN_NAMESPACE}}}))", "now")],
            red=1,
            about="Events that could not be processed.",
            width=6,
        ),
        Panel(
            "Orders by outcome", [per_second("pedidos_orders_total", "status")], unit="ops", width=12, stacked=True
        ),
        Panel("Time to decision", quantiles("pedidos_decision_seconds"), unit="s", width=12),
        Panel(
            "Requests through the gateway",
            [
                per_second(
                    "envoy_http_downstream_rq_xx",
                    "envoy_response_code_class",
                    INGRESS,
                    "{{envoy_response_code_class}}xx",
                )
            ],
            unit="reqps",
            width=12,
            stacked=True,
        ),
        Panel(
            "Response time at the gateway",
            quantiles("envoy_http_downstream_rq_time", where=INGRESS),
            unit="ms",
            width=12,
        ),
    ],
)

WAITING = Dashboard(
    "waiting",
    "Where do orders wait?",
    [
        Panel(
            "Time to decision", quantiles("pedidos_decision_seconds"), unit="s", about="From acceptance to decision."
        ),
        Panel(
            "1. In the outbox",
            quantiles("outbox_oldest_event_seconds", "job"),
            unit="s",
            about="From the commit of the oldest event in a publication to the broker's confirm.",
        ),
        Panel(
            "2. In the queue",
            quantiles("consumer_queue_seconds", "queue"),
            unit="s",
            about="From a message's publication until a consumer takes it.",
        ),
        Panel(
            "1 and 2. Before the transaction",
            quantiles("consumer_oldest_event_seconds", "queue"),
            unit="s",
            about="Age of a batch's oldest event when its transaction starts.",
        ),
        Panel("3. In the transaction", quantiles("consumer_batch_seconds", "queue"), unit="s"),
        Panel("Outbox: events", [highest("outbox_depth", "job")]),
        Panel("Outbox: age of the oldest", [highest("outbox_oldest_seconds", "job")], unit="s"),
        Panel(
            "Queues: messages",
            [highest("rabbitmq_queue_messages", "queue", where=QUEUES)],
        ),
        Panel(
            "Queues: consumers",
            [highest("rabbitmq_queue_consumers", "queue", where=QUEUES)],
        ),
        Panel("Dead letters now", [highest("consumer_dead_letter_messages", "queue")]),
        Panel(
            "Events per transaction, mean",
            [
                (
                    f"sum by (queue) (rate(consumer_batch_events_sum{{{IN_NAMESPACE}}}{EVERY})) "
                    f"/ sum by (queue) (rate(consumer_batch_events_count{{{IN_NAMESPACE}}}{EVERY}))",
                    "{{queue}}",
                )
            ],
        ),
        Panel(
            "Commands per commit, mean",
            [
                (
                    f"sum(rate(pedidos_batch_commands_sum{{{IN_NAMESPACE}}}{EVERY})) "
                    f"/ sum(rate(pedidos_batch_commands_count{{{IN_NAMESPACE}}}{EVERY}))",
                    "pedidos",
                )
            ],
        ),
        Panel(
            "Resent, held, contended",
            [
                per_second("pedidos_resent_commands_total", legend="commands resent"),
                per_second("pedidos_contended_commands_total", legend="commands behind a lock"),
                per_second("outbox_failures_total", legend="publishing deferred"),
            ],
            unit="ops",
        ),
    ],
)

STOCK = Dashboard(
    "stock",
    "Stock and expiry",
    [
        Panel("Reservations", [highest("estoque_reservations", "state", "{{state}}")], about="Counted up to 10,000."),
        Panel("Lapsed reservations swept", [per_second("operador_reservas_swept_total", legend="swept")], unit="ops"),
        Panel("Oldest lapsed reservation not swept", [highest("operador_sweep_lag_seconds", legend="lag")], unit="s"),
        Panel(
            "Orders without stock",
            [per_second("pedidos_orders_total", "status", f'{IN_NAMESPACE},status="EstoqueNaoDisponivel"')],
            unit="ops",
        ),
        Panel(
            "Unreported lapses",
            [
                per_second("pedidos_follow_ups_total", legend="followed up"),
                per_second("pedidos_abandoned_orders_total", legend="abandoned orders cancelled"),
            ],
            unit="ops",
        ),
        Panel("Rows without a StockItem", [highest("operador_rows_without_stockitem", legend="rows")]),
        Panel("Rows audited", [per_second("conferir_rows_total", "scan")], unit="ops", width=12),
        Panel(
            "Age of the last complete audit",
            [(f"time() - max by (scan) (conferir_last_round_timestamp_seconds{{{IN_NAMESPACE}}})", "{{scan}}")],
            unit="s",
            width=12,
        ),
    ],
)

OPERATOR = Dashboard(
    "operator",
    "The operator",
    [
        Panel(
            "StockItems",
            [highest("operador_stockitems", legend="known"), highest("operador_waiting_items", legend="waiting")],
        ),
        Panel("Longest wait for PostgreSQL", [highest("operador_sync_lag_seconds", legend="lag")], unit="s"),
        Panel("StockItems per SQL call", quantiles("operador_batch_items", of=(0.5, 0.95))),
        Panel("Status writes", [per_second("operador_status_writes_total", legend="written")], unit="ops"),
        Panel("Kubernetes Events", [per_second("operador_k8s_events_total", "reason")], unit="ops"),
        Panel(
            "Refused and failed",
            [
                per_second("operador_api_failures_total", legend="API server failed"),
                per_second("operador_rejected_items_total", legend="PostgreSQL refused"),
                per_second("job_failures_total", "name", f'{IN_NAMESPACE},name=~"reconcile|balances|resync|sweep"'),
            ],
            unit="ops",
        ),
    ],
)

CAPACITY = Dashboard(
    "capacity",
    "Capacity",
    [
        Panel(
            "CPU by program",
            [per_second("process_cpu_seconds_total", "job")],
            unit="none",
            about="Cores.",
            stacked=True,
        ),
        Panel(
            "Memory by program",
            [(f"sum by (job) (process_resident_memory_bytes{{{IN_NAMESPACE}}})", "{{job}}")],
            unit="bytes",
        ),
        Panel("Event-loop lag", quantiles("event_loop_lag_seconds", "job", of=(0.99,)), unit="s"),
        Panel(
            "Requests in the services, p95 by route",
            quantiles("http_request_duration_seconds", "method, path", of=(0.95,)),
            unit="s",
        ),
        Panel("Refused for load", [per_second("refused_for_load_total", "resource")], unit="reqps"),
        Panel(
            "Database connections, busy",
            [(f'sum by (pool) (postgres_pool_connections{{{IN_NAMESPACE},state="busy"}})', "{{pool}}")],
        ),
        Panel(
            "Wait for a database connection", quantiles("postgres_pool_wait_seconds", "pool", of=(0.99,)), unit="s"
        ),
        Panel("Event streams open", [(f"sum by (job) (streams_open{{{IN_NAMESPACE}}})", "{{job}}")]),
        Panel(
            "Replicas that the gateway finds",
            [highest("envoy_cluster_membership_healthy", "envoy_cluster_name")],
        ),
    ],
)

DASHBOARDS = (SELLING, WAITING, STOCK, OPERATOR, CAPACITY)


def filled(expression: str, namespace: str, rate_interval: str) -> str:
    """The expression as Grafana sends it."""
    return expression.replace("$namespace", namespace).replace("$__rate_interval", rate_interval)


def rendered(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    body = {
        "uid": f"reserva-estoque-{dashboard.name}",
        "title": f"ReservaEstoque: {dashboard.title}",
        "tags": ["reserva-estoque"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "ReservaEstoque",
                "tags": ["reserva-estoque"],
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "templating": {"list": [_datasource(), _namespace()]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(placed(dashboard.panels), 1)],
    }
    return json.dumps(body, indent=2) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _namespace() -> dict[str, Any]:
    query = "label_values(conferir_violations_total, namespace)"
    return {
        "name": "namespace",
        "type": "query",
        "label": "Namespace",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "namespace"},
        "refresh": 2,
        "sort": 1,
    }


def placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    """Each panel with its column and row in the grid."""
    x = y = 0
    for panel in panels:
        if x + panel.width > WIDTH:
            x, y = 0, y + HEIGHT
        yield panel, x, y
        x += panel.width


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.red is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.red}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    elif panel.stacked:
        defaults["custom"] = {"stacking": {"mode": "normal"}, "fillOpacity": 30}
    return {
        "id": number,
        "type": "timeseries" if panel.red is None else "stat",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "expr": expression,
                "legendFormat": legend,
                "exemplar": "histogram_quantile" in expression,
            }
            for i, (expression, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for one in DASHBOARDS:
        (FOLDER / f"{one.name}.json").write_text(rendered(one))
    sys.stdout.write(f"{FOLDER.relative_to(ROOT)} is up to date\n")
