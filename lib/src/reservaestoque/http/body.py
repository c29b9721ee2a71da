"""Request bodies: read strictly (a number is not a string), refused with a sentence, described in OpenAPI."""

import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, RequestBody, Schema

from reservaestoque.http.openapi import Described
from reservaestoque.http.problems import INVALID, MALFORMED, ProblemError, sentence

T = TypeVar("T")


class JsonBody(Generic[T]):
    """The JSON body of an operation: `read` in the handler, `operation` as the handler's `operation_class`.

    Litestar converts leniently (``"1"`` passes for 1), which is too lax for money and stock. No body at all means
    `absent`, where that is given. All fields of `kind`'s structs must be required (`may_repeat_members`).
    """

    def __init__(self, kind: type[T], *, absent: T | None = None) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._absent = absent
        self.operation = _documented(kind, required=absent is None)

    def read(self, body: bytes) -> T:
        """The value. Raises ProblemError: 400 for invalid JSON or a repeated member, 422 for a broken rule."""
        if not body and self._absent is not None:
            return self._absent
        if not body:
            raise ProblemError(MALFORMED, "the request has no body; send one as application/json")
        try:
            value = self._decode(body)
            if may_repeat_members(body, value):
                refuse_repeated_members(body)
        except msgspec.ValidationError as error:
            raise ProblemError(INVALID, sentence(str(error))) from error
        except RecursionError as error:
            raise ProblemError(MALFORMED, "the body is nested too deeply") from error
        except (msgspec.DecodeError, ValueError) as error:
            raise ProblemError(MALFORMED, f"the body is not valid JSON: {error}") from error
        else:
            return value


def may_repeat_members(body: bytes, value: object) -> bool:
    """Whether `body`, which was read as `value`, could repeat a member of an object. May be wrong only if True.

    Every field is required, so `value` has each of its members once. Re-encoded it has as many colons as `body`,
    those within strings included, unless `body` has more members (or escapes a colon in a string).
    """
    return b"\\" in body or body.count(b":") != msgspec.json.encode(value).count(b":")


def refuse_repeated_members(body: bytes) -> None:
    """Raises ProblemError (400) when an object repeats a member (RFC 8259, section 4): it is unclear which counts."""
    # Numbers stay text: Python refuses to parse an integer of thousands of digits.
    json.loads(body, object_pairs_hook=_unique, parse_int=str, parse_float=str)


def _unique(members: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise ProblemError(MALFORMED, f"the member {name[:64]!r} is repeated in one object of the body")
        names.add(name)


def _documented(kind: type[Any], *, required: bool) -> type[Described]:
    schema = inlined(msgspec.json.schema(kind))
    content = {"application/json": OpenAPIMediaType(schema=cast(Schema, schema))}

    @dataclass
    class Documented(Described):
        """An operation with this body."""

        def __post_init__(self) -> None:
            super().__post_init__()
            self.request_body = RequestBody(content=content, required=required)

    return Documented


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions inlined: the meaning of `#/$defs` depends on where a schema is placed."""
    definitions = schema.pop("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return put(definitions[value["$ref"].rpartition("/")[2]])
        return {key: put(one) for key, one in value.items()}

    return cast(dict[str, Any], put(schema))
