"""Prometheus for an observed system: it scrapes every part and PostgreSQL's exporter, and evaluates the alerts."""

import json
import shutil
from pathlib import Path

from local_system.checks import http_ok
from local_system.config import ROOT, Config
from local_system.errors import LocalSystemError
from local_system.layout import Layout
from local_system.parts import Part
from local_system.ports import HOST
from local_system.programs import metrics_ports

NAMESPACE = "local"
PROGRAMS = ("pedidos", "estoque", "operator", "conferir", "painel")
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
EXPORTER = "prometheus-postgres-exporter"
PLACES = (Path("/opt/homebrew/bin/prometheus"), Path("/usr/local/bin/prometheus"))


def server() -> Path:
    """The program. Raises LocalSystemError."""
    found = shutil.which("prometheus")
    places = [Path(found)] if found else [place for place in PLACES if place.exists()]
    if not places:
        raise LocalSystemError("Prometheus is missing: install the package prometheus (apt, dnf, brew)")
    return places[0]


def parts(layout: Layout, config: Config) -> list[Part]:
    """The server, and the exporter of PostgreSQL's own metrics if it is installed."""
    return [_server(layout, config), *([_exporter(layout)] if shutil.which(EXPORTER) else [])]


def _exporter(layout: Layout) -> Part:
    """The exporter, without two collectors that cannot distinguish servers; one supports PostgreSQL only up to 16."""
    port = layout.ports.postgres_exporter
    databases = [layout.database_url(database, role="conferente") for database in ("pedidos", "estoque")]
    return Part(
        name="postgres-exporter",
        command=lambda: [
            EXPORTER,
            "--no-collector.bgwriter",
            "--no-collector.database",
            f"--web.listen-address={HOST}:{port}",
        ],
        ready=http_ok(f"http://{HOST}:{port}/"),
        env={"DATA_SOURCE_NAME": ",".join(databases)},
        needs=("postgres-pedidos", "postgres-estoque"),
        ports={"postgres_exporter": port},
    )


def _server(layout: Layout, config: Config) -> Part:
    """The server on its own port, with its data in the state folder. It depends on no part and reports those that are
    down.
    """
    port = layout.ports.prometheus
    file = layout.state / "prometheus" / "prometheus.json"
    data = layout.state / "prometheus" / "data"
    storage = [f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=7d", "--enable-feature=exemplar-storage"]
    return Part(
        name="prometheus",
        command=lambda: [str(server()), f"--config.file={file}", *storage, f"--web.listen-address={HOST}:{port}"],
        ready=http_ok(f"http://{HOST}:{port}/-/ready"),
        files={file: json.dumps(configuration(layout, config), indent=2)},
        ports={"prometheus": port},
    )


def configuration(layout: Layout, config: Config) -> dict[str, object]:
    """Prometheus' configuration. Series have the labels that Kubernetes' service discovery would add."""
    ports = layout.ports
    scrapes = [_scrape(program, "/metrics", metrics_ports(layout, config, program)) for program in PROGRAMS]
    scrapes.append(_scrape("gateway", "/stats/prometheus", [ports.gateway_admin]))
    scrapes.append(_scrape("rabbitmq", "/metrics/per-object", [ports.rabbitmq_prometheus]))
    if shutil.which(EXPORTER):
        # The exporter queries both servers for each scrape, which takes longer than reading a program's counters.
        rarely = dict.fromkeys(("scrape_interval", "scrape_timeout"), "10s")
        scrapes.append(_scrape("postgres", "/metrics", [ports.postgres_exporter]) | rarely)
    return {
        "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), config.scrape),
        "rule_files": [str(RULES)],
        "scrape_configs": scrapes,
    }


def _scrape(job: str, path: str, ports: list[int]) -> dict[str, object]:
    groups = [
        {"targets": [f"{HOST}:{port}"], "labels": {"namespace": NAMESPACE, "pod": f"{job}-{number}"}}
        for number, port in enumerate(ports, 1)
    ]
    return {"job_name": job, "metrics_path": path, "static_configs": groups}
