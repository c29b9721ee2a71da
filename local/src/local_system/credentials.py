"""Passwords and tokens of one local system: created once, kept in its state folder, never printed."""

import json
import secrets
from pathlib import Path
from typing import Any

from local_system.errors import LocalSystemError

NAMES = (
    "postgres",
    "pedidos",
    "pedidos_runtime",
    "estoque",
    "estoque_runtime",
    "operador",
    "conferente",
    "rabbitmq",
    "rabbitmq-pedidos",
    "rabbitmq-estoque",
    "erlang-cookie",
    "kubernetes-admin",
    "kubernetes-operador",
)


def load_or_create(path: Path) -> dict[str, str]:
    """The credentials by name; missing ones are created and written to `path` (mode 0600).

    Raises LocalSystemError when the file is damaged.
    """
    known: dict[str, str] = recorded(path) if path.exists() else {}
    missing = [name for name in NAMES if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known


def recorded(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the state folder. Raises LocalSystemError when the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LocalSystemError(
            f"{path} is damaged: {error}; restore it, or remove {path.parent} with all data"
        ) from error
    if not isinstance(content, dict):
        raise LocalSystemError(f"{path} is damaged: it has no JSON object; restore it, or remove {path.parent}")
    return content


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, completely or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
