"""Checks answers against the OpenAPI documents: an undocumented status, header or body fails the test."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts" / "openapi"
FROM_A_SERVICE = "x-envoy-upstream-service-time"
"""Envoy adds this header to the services' answers; one without it is Envoy's own and belongs to no operation."""


@cache
def documents() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(CONTRACTS.glob("*.json"))]


def operation(method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The document and the operation that match a request; a path without parameters takes precedence."""
    for document in documents():
        for model in sorted(document["paths"], key=lambda one: one.count("{")):
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", model), path):
                found = document["paths"][model].get(method.lower())
                return (document, found) if found else None
    return None


async def check_response(response: httpx.Response) -> None:
    """A response hook of httpx."""
    found = operation(response.request.method, response.request.url.path)
    tipo = response.headers.get("content-type", "").partition(";")[0]
    if found is None or FROM_A_SERVICE not in response.headers or tipo == "text/event-stream":
        return
    document, use = found
    described = use["responses"].get(str(response.status_code))
    assert described, f"{response.request.url}: {response.status_code} is not described"
    for name, header in described.get("headers", {}).items():
        assert name in response.headers or not header["required"], f"{response.request.url}: no {name}"
    if not described.get("content"):
        return
    schema = json.dumps(described["content"][tipo]["schema"])
    await response.aread()
    _validator(document["info"]["title"], schema).validate(response.json())


@cache
def _validator(title: str, schema: str) -> Draft202012Validator:
    """The validator of `schema`, a JSON text, with the components of the document of this title."""
    [document] = [each for each in documents() if each["info"]["title"] == title]
    return Draft202012Validator({**json.loads(schema), "components": document["components"]})
