"""Hooks of schemathesis."""

import re
from typing import Any
from uuid import uuid4

import schemathesis

from pedidos.command import KEY_PATTERN

_KEY = re.compile(KEY_PATTERN)
_LONGEST = 90


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, **__: Any) -> None:
    """Avoids inputs that are refused for reasons that OpenAPI cannot express."""
    _make_keys_differ(case)
    body = _each_sku_once(_written_as_integers(case.body))
    if repr(body) != repr(case.body):  # schemathesis judges a case again after an assignment
        case.body = body


def _make_keys_differ(case: schemathesis.Case) -> None:
    """A key reused with another body is refused, so little else would be tested."""
    for name, value in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and isinstance(value, str) and _KEY.search(value):
            key = value[1:-1] if value.startswith('"') and value.endswith('"') else value
            if len(key) < _LONGEST:
                unique = f"{key}-{uuid4().hex}"
                case.headers[name] = f'"{unique}"' if key != value else unique


def _written_as_integers(body: Any) -> Any:
    """JSON Schema accepts 2.0 as an integer. The services do not: units are written without a fraction."""
    if isinstance(body, list):
        return [_written_as_integers(one) for one in body]
    if isinstance(body, dict):
        return {name: _written_as_integers(value) for name, value in body.items()}
    return int(body) if isinstance(body, float) and body.is_integer() else body


def _each_sku_once(body: Any) -> Any:
    """Lines with one SKU are summed, and JSON Schema cannot limit a sum."""
    itens = body.get("itens") if isinstance(body, dict) else None
    if not isinstance(itens, list) or not all(isinstance(item, dict) for item in itens):
        return body
    once = {repr(item.get("sku")): item for item in reversed(itens)}
    return {**body, "itens": list(reversed(once.values()))} if len(once) < len(itens) else body
