"""Which documents there are, and their text."""

import json
from pathlib import Path

import yaml

from contratos.asyncapi import asyncapi
from contratos.esquemas import esquema, tipos
from contratos.openapi import SERVICOS, openapi

RAIZ = Path(__file__).resolve().parents[2]


def documentos() -> dict[str, str]:
    """Every document by its path below contracts/, as the code generates it now."""
    return {
        "asyncapi.yaml": _yaml(asyncapi()),
        **{f"schemas/{nome}.json": _json(esquema(tipo)) for nome, tipo in tipos().items()},
        **{f"openapi/{servico}.json": _json(openapi(servico)) for servico in SERVICOS},
    }


def existentes(raiz: Path) -> set[str]:
    """Those that are there, among them any that the code no longer generates."""
    padroes = ("asyncapi.yaml", "schemas/*.json", "openapi/*.json")
    return {str(arquivo.relative_to(raiz)) for padrao in padroes for arquivo in raiz.glob(padrao)}


def _yaml(documento: object) -> str:
    simples = json.loads(json.dumps(documento))  # YAML would tell enums from strings, and name what occurs twice
    return yaml.safe_dump(simples, sort_keys=False, allow_unicode=True, width=118)


def _json(documento: object) -> str:
    return json.dumps(documento, indent=2, ensure_ascii=False) + "\n"
