"""Request bodies: read strictly (a number is no text), refused with a sentence, described in OpenAPI."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, RequestBody, Schema

from reservaestoque.http.openapi import Described
from reservaestoque.http.problems import INVALID, MALFORMED, ProblemError, sentence

T = TypeVar("T")


class JsonBody(Generic[T]):
    """The JSON body of an operation: `read` in the handler, `operation` as the handler's `operation_class`.

    Litestar would convert leniently (``"1"`` passes for 1); money and stock deserve better. No body at all means
    `absent`, when there is such a value.
    """

    def __init__(self, kind: type[T], *, absent: T | None = None) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._absent = absent
        self.operation = _documented(kind, required=absent is None)

    def read(self, body: bytes) -> T:
        """The value. Raises ProblemError: 400 when it is no JSON, 422 when it breaks a rule."""
        if not body and self._absent is not None:
            return self._absent
        if not body:
            raise ProblemError(MALFORMED, "the request has no body; send one as application/json")
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            raise ProblemError(INVALID, sentence(str(error))) from error
        except RecursionError as error:
            raise ProblemError(MALFORMED, "the body is nested too deeply") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProblemError(MALFORMED, f"the body is not valid JSON: {error}") from error


def _documented(kind: type[Any], *, required: bool) -> type[Described]:
    schema = _inline(msgspec.json.schema(kind))
    content = {"application/json": OpenAPIMediaType(schema=cast(Schema, schema))}

    @dataclass
    class Documented(Described):
        """An operation with this body."""

        def __post_init__(self) -> None:
            super().__post_init__()
            self.request_body = RequestBody(content=content, required=required)

    return Documented


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions put in place: what `#/$defs` means depends on where a schema stands."""
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
