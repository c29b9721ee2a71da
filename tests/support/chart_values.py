"""`make charts`: the schemas of the charts' values, and the database schema version that the values contain.

A value's type is that of its default. The tables below add what a default cannot express, by the value's name.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import libyaml

from conferir.settings import ConferirSettings
from estoque.settings import EstoqueSettings
from operador.settings import OperadorSettings
from painel.settings import PainelSettings
from pedidos.settings import PedidosSettings
from reservaestoque.settings import SHARED, ProgramSettings, ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
Schema = dict[str, Any]

SETTINGS: dict[str, type[ProgramSettings]] = {
    "pedidos": PedidosSettings,
    "estoque": EstoqueSettings,
    "operator": OperadorSettings,
    "conferir": ConferirSettings,
    "painel": PainelSettings,
}
# Set by other values of the chart, or by its Secrets.
NOT_SETTINGS = {"host", "port", "metrics_port", "kubeconfig", "namespace", "identity"}
DURATION = r"^(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?$"

STRING_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
ANY_OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
REFERENCE: Schema = {"type": "string", "minLength": 1, "maxLength": 253}
STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
# The name of a cell is part of the names of Envoy's clusters, before an underscore.
CELL_NAME: Schema = {"pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
HOST: Schema = {
    "type": "string",
    "maxLength": 253,
    "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
}
UPSTREAM: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["host", "port"],
    "properties": {"host": REFERENCE, "port": PORT},
}
CELL: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["hosts", "pedidos", "estoque"],
    "properties": {
        "hosts": {"type": "array", "minItems": 1, "items": HOST},
        "pedidos": UPSTREAM,
        "estoque": UPSTREAM,
        "painel": UPSTREAM,
        "peers": OBJECTS,
    },
}
OPTIONAL_REFERENCE: Schema = {"type": "string", "maxLength": 253}
# The name of an issuer is part of the names of Envoy's clusters and of volumes.
ISSUER: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["issuer"],
    "properties": {
        "issuer": {"type": "string", "minLength": 1},
        "audiences": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "allowAnyAudience": {"type": "boolean"},
        "allowPlainHttp": {"type": "boolean"},
        "jwksUri": {"type": "string", "pattern": "^https?://[^/@]+/"},
        "jwksCa": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"secret": OPTIONAL_REFERENCE, "configMap": OPTIONAL_REFERENCE, "key": REFERENCE},
        },
        "cacheSeconds": {"type": "integer", "minimum": 10},
        "jwksSecret": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": REFERENCE, "key": REFERENCE},
        },
        "jwks": {"type": "string"},
        "clockSkewSeconds": {"type": "integer", "minimum": 1, "maximum": 300},
        "subjectClaim": REFERENCE,
        "scopeClaim": REFERENCE,
    },
}
POD_MONITOR: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"enabled": {"type": "boolean"}, "interval": {"type": "string"}, "labels": STRING_MAP},
}

BY_NAME: dict[str, Schema] = {
    "affinity": ANY_OBJECT,
    "annotations": STRING_MAP,
    "behavior": ANY_OBJECT,
    "command": STRINGS,
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "existingSecret": REFERENCE,
    "externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "gatewayNamespaces": STRINGS,
    "hostnames": STRINGS,
    "hosts": {"type": "array", "items": HOST},
    "httpsNodePort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    "httpsPort": PORT,
    "key": REFERENCE,
    "labels": STRING_MAP,
    "perSecond": {"type": "integer", "minimum": 1},
    "burst": {"type": "integer", "minimum": 1},
    "clients": {"type": "integer", "minimum": 1},
    "shopFactor": {"type": "integer", "minimum": 1, "maximum": 10000},
    "dnsNames": STRINGS,
    "issuerRef": ANY_OBJECT,
    "origins": STRINGS,
    "maxConnections": {"type": "integer", "minimum": 1},
    "maxReplicas": {"type": "integer", "minimum": 1},
    "maxUnavailable": {"type": ["integer", "string"]},
    "minReplicas": {"type": "integer", "minimum": 1},
    "otherConnections": {"type": "integer", "minimum": 0},
    "nodePort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    "nodeSelector": STRING_MAP,
    "podAnnotations": STRING_MAP,
    "podLabels": STRING_MAP,
    "port": PORT,
    "pullPolicy": {"enum": ["", "Always", "IfNotPresent", "Never"]},
    "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": ANY_OBJECT, "limits": ANY_OBJECT, "claims": OBJECTS},
    },
    "endpoint": {"type": "string", "pattern": r"^(http://[^\s/]+/?)?$"},
    "samplePercent": {"type": ["number", "string"], "minimum": 0, "maximum": 100, "pattern": r"^\d+(\.\d+)?$"},
    "tag": {"type": ["string", "integer"]},  # `--set image.tag=` with a commit of digits only
    "targetCPUUtilizationPercentage": {"type": "integer", "minimum": 1},
    "version": {"type": "string", "pattern": "^[0-9]+$"},
}
BY_TYPE: dict[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    str: {"type": "string"},
    list: OBJECTS,
}
BY_PATH: dict[str, Schema] = {
    "cells": {"type": "object", "propertyNames": CELL_NAME, "additionalProperties": CELL},
    "accessLog.subjectKey.existingSecret": OPTIONAL_REFERENCE,
    "jwt.issuers": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$"},
        "additionalProperties": ISSUER,
    },
    "podMonitor": POD_MONITOR,
    # Reused values of a release in which a part had a port are accepted; the template ignores the port.
    "watched": {
        "type": "object",
        "additionalProperties": {"type": "object", "properties": {"component": {"type": "string"}}},
    },
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "postgres.settings": STRING_MAP,
    "passwords": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": "string", "pattern": "^[A-Za-z0-9._~-]+$"}  # inserted into a URL verbatim
            for name in (
                *("pedidos", "pedidos_runtime", "estoque", "estoque_runtime", "operador", "conferente", "postgres"),
                *("rabbitmq", "rabbitmq_pedidos", "rabbitmq_estoque"),
            )
        },
    },
}


def schema(chart: str) -> Schema:
    """The schema of a chart's values, which allows no unknown ones."""
    values = libyaml.load((CHARTS / chart / "values.yaml").read_text())
    whole = _object(values, settings=SETTINGS.get(chart))
    properties = whole["properties"]
    for dependency in libyaml.load((CHARTS / chart / "Chart.yaml").read_text()).get("dependencies", []):
        properties[dependency["name"]] = ANY_OBJECT  # has its own schema, which Helm enforces
    if chart == "reserva-estoque":
        return {"$schema": "http://json-schema.org/draft-07/schema#", **whole}
    umbrella = libyaml.load((CHARTS / "reserva-estoque" / "values.yaml").read_text())
    properties["global"] = _of("global", "global", umbrella["global"], None)
    properties["enabled"] = {"type": "boolean", "description": "Whether the umbrella chart installs it"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole}


def _object(values: dict[str, Any], path: str = "", settings: type[ProgramSettings] | None = None) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _of(name, f"{path}{name}", value, settings) for name, value in values.items()},
    }


def _of(name: str, path: str, value: Any, settings: type[ProgramSettings] | None) -> Schema:
    if path == "settings" and settings:
        return _settings(settings, without=SHARED if issubclass(settings, ServiceSettings) else ())
    if path == "global.settings":
        return _settings(ServiceSettings, only=SHARED)
    known = BY_PATH.get(path) or BY_NAME.get(name)
    if known is not None:
        return known
    if isinstance(value, dict):
        return _object(value, f"{path}.")
    return BY_TYPE[type(value)]


def _settings(
    program: type[ProgramSettings], *, without: Collection[str] = (), only: Collection[str] | None = None
) -> Schema:
    """The environment variables that a program reads, with their parsed types."""
    found = {}
    for name, field in program.model_json_schema()["properties"].items():
        if (
            name in NOT_SETTINGS
            or name.endswith(("_url", "_urls", "_ca_file"))
            or name in without
            or name not in (only or {name})
        ):
            continue
        kept = {key: value for key, value in field.items() if key not in ("default", "title", "format")}
        found[name.upper()] = (
            {**kept, "pattern": DURATION, "minLength": 2} if field.get("format") == "duration" else kept
        )
    return {"type": "object", "additionalProperties": False, "properties": found}


def text(chart: str) -> str:
    """The text of the file in the chart's folder."""
    return json.dumps(schema(chart), indent=2) + "\n"


def charts() -> list[str]:
    """The charts that have values; the library has none."""
    return sorted(path.parent.name for path in CHARTS.glob("*/values.yaml"))


def values(chart: str) -> str:
    """The correct values.yaml, in which a service's `migrations` name the newest version."""
    text = (CHARTS / chart / "values.yaml").read_text()
    migrations = sorted((ROOT / "services" / chart / "db/migrations").glob("*.sql"))
    if not migrations:
        return text
    version = migrations[-1].name.partition("_")[0]
    return re.sub(r'^(  version: )"\d+"', rf'\1"{version}"', text, flags=re.M)


if __name__ == "__main__":
    for chart in charts():
        (CHARTS / chart / "values.yaml").write_text(values(chart))
        (CHARTS / chart / "values.schema.json").write_text(text(chart))
