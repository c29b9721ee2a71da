"""JSON Schemas as Markdown tables."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_LIMITS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "pattern": "`{}`",
}


def table(schema: Schema) -> str:
    """A row per property, nested ones by their path."""
    rows = [
        f"| `{path}` | {kind} | {'yes' if needed else ''} | {text} |" for path, kind, needed, text in rows_of(schema)
    ]
    return "\n".join(["| field | type | required | meaning |", "|---|---|---|---|", *rows, ""])


def rows_of(schema: Schema, prefix: str = "") -> Iterator[tuple[str, str, bool, str]]:
    """Path, type, whether it is required, and meaning of each property. References are not followed."""
    for name, property_schema in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        text = cell(property_schema.get("description", ""))
        if "default" in property_schema:
            text += f" Default: `{property_schema['default']}`."
        yield path, kind(property_schema), name in schema.get("required", ()), text.strip()
        inner = property_schema.get("items", property_schema)
        yield from rows_of(inner, f"{path}[]." if "items" in property_schema else f"{path}.")


def kind(schema: Schema) -> str:
    """The type and its limits; a `$ref` as a link to the heading of that name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    options = schema.get("oneOf") or schema.get("anyOf")
    if options:
        return " or ".join(kind(option) for option in options) + _limits(schema)
    if "enum" in schema:
        return ", ".join(f"`{value or '(empty)'}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}{_limits(schema)}"
    types = schema.get("type", "any")
    shown = types if isinstance(types, str) else " or ".join(types)
    return (f"{shown} ({schema['format']})" if "format" in schema else shown) + _limits(schema)


def cell(text: str) -> str:
    """A text made safe for a table cell: one line, without bars that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")


def _limits(schema: Schema) -> str:
    shown = (form.format(_number(schema[key])) for key, form in _LIMITS.items() if key in schema)
    return "".join(f", {cell(limit)}" for limit in shown)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
