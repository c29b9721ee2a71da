"""Holds answers to the OpenAPI documents: a status, a header or a body that they do not tell of fails the test."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

CONTRATOS = Path(__file__).resolve().parents[2] / "contracts" / "openapi"
DE_UM_SERVICO = "x-envoy-upstream-service-time"
"""Envoy adds this header to what a service answered; what it answers by itself is no operation's matter."""


@cache
def documentos() -> list[dict[str, Any]]:
    return [json.loads(arquivo.read_text()) for arquivo in sorted(CONTRATOS.glob("*.json"))]


def operacao(metodo: str, caminho: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The document and the operation that a request is for; a path without parameters goes first."""
    for documento in documentos():
        for modelo in sorted(documento["paths"], key=lambda um: um.count("{")):
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", modelo), caminho):
                achada = documento["paths"][modelo].get(metodo.lower())
                return (documento, achada) if achada else None
    return None


async def conferir_resposta(resposta: httpx.Response) -> None:
    """A response hook of httpx."""
    achada = operacao(resposta.request.method, resposta.request.url.path)
    tipo = resposta.headers.get("content-type", "").partition(";")[0]
    if achada is None or DE_UM_SERVICO not in resposta.headers or tipo == "text/event-stream":
        return
    documento, pedida = achada
    descrita = pedida["responses"].get(str(resposta.status_code))
    assert descrita, f"{resposta.request.url}: {resposta.status_code} is not described"
    for nome, cabecalho in descrita.get("headers", {}).items():
        assert nome in resposta.headers or not cabecalho["required"], f"{resposta.request.url}: no {nome}"
    if not descrita.get("content"):
        return
    esquema = descrita["content"][tipo]["schema"]
    await resposta.aread()
    Draft202012Validator({**esquema, "components": documento["components"]}).validate(resposta.json())
