"""The client agrees with the contract, with the problems, and with later releases of both."""

import json
import re
from pathlib import Path

import msgspec
import pytest

import reserva
from reserva import Consulta, Item, ItemEmFalta, Motivo, Pedido, ProblemError, Saldo, Status, SystemState
from reserva.errors import error_of
from reserva.operations import LARGEST_LOOKUP, LARGEST_PAGE, LARGEST_STOCK_PAGE
from reserva.types import PedidoPage, SaldoPage, StatusDoPedido
from reserva.wire import Answer

ROOT = Path(__file__).resolve().parents[3]
OPENAPI = {name: json.loads((ROOT / f"contracts/openapi/{name}.json").read_text()) for name in ("pedidos", "estoque")}
SCHEMAS = {**OPENAPI["pedidos"]["components"]["schemas"], **OPENAPI["estoque"]["components"]["schemas"]}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Item, "Item"),
        (ItemEmFalta, "ItemEmFalta"),
        (Pedido, "Pedido"),
        (PedidoPage, "PedidoPage"),
        (StatusDoPedido, "StatusDoPedido"),
        (Saldo, "Saldo"),
        (SaldoPage, "SaldoPage"),
        (Consulta, "SaldoLookupResult"),
    ],
)
def test_every_field_of_the_api_is_known(kind: type[msgspec.Struct], schema: str):
    assert {field.encode_name for field in msgspec.structs.fields(kind)} == set(SCHEMAS[schema]["properties"])


@pytest.mark.parametrize(("kind", "schema"), [(Status, "Status"), (Motivo, "Motivo")])
def test_every_enum_value_of_the_api_is_known(kind: type[Status | Motivo], schema: str):
    assert [word.value for word in kind] == SCHEMAS[schema]["enum"]


def test_pages_are_as_large_as_the_api_allows():
    def largest(name: str, path: str) -> int:
        [limit] = [p for p in OPENAPI[name]["paths"][path]["get"]["parameters"] if p["name"] == "limite"]
        return int(limit["schema"]["maximum"])

    assert largest("pedidos", "/pedidos") == LARGEST_PAGE
    assert largest("estoque", "/estoque") == LARGEST_STOCK_PAGE
    lookup = json.dumps(OPENAPI["estoque"]["paths"]["/estoque/consulta"])
    assert f'"maxItems": {LARGEST_LOOKUP}' in lookup


def test_enum_values_of_a_later_release_are_kept():
    status = msgspec.json.decode(b'"Enviado"', type=Status)
    assert (status, status.value, status.final) == ("Enviado", "Enviado", False)
    assert status not in list(Status)
    assert msgspec.json.encode(status) == b'"Enviado"'
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"1", type=Status)


def test_an_empty_system_state_is_understood():
    state = msgspec.json.decode(b'{"novo": 1}', type=SystemState)
    assert (state.parts, state.orders_per_second, state.audit) == ((), None, None)


def problems() -> list[tuple[str, int]]:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs/problems.md").read_text(), re.M)
    return [(slug, int(status)) for slug, status in rows]


@pytest.mark.parametrize(("slug", "status"), problems())
def test_every_problem_has_its_class(slug: str, status: int):
    problem = {
        "type": f"https://reservaestoque.dev/problemas/{slug}",
        "title": "t",
        "status": status,
        "detail": "why",
    }
    error = error_of(Answer(status, {"retry-after": "3"}, json.dumps(problem).encode()))
    assert (error.slug, error.status, error.detail, error.retry_after) == (slug, status, "why", 3)
    assert type(error).__name__ in reserva.__all__
    expected = {500: "ServerError", 401: "UnauthenticatedError", 403: "ForbiddenError", 404: "NotFoundError"}
    expected |= {409: "NotAllowedNowError", 410: "PositionLostError", 429: "RateLimitedError"}
    expected |= dict.fromkeys((408, 503, 504), "UnavailableError")
    name = "KeyReusedError" if slug == "chave-reutilizada" else expected.get(status, "InvalidRequestError")
    assert type(error).__name__ == name


def test_a_conflict_reports_the_status_of_the_order():
    body = {"detail": "no", "statusDoPedido": "Fechado", "recusa": "PedidoEncerrado"}
    error = error_of(Answer(409, {}, json.dumps(body).encode()))
    assert isinstance(error, reserva.NotAllowedNowError)
    assert (error.status_do_pedido, error.recusa) == ("Fechado", "PedidoEncerrado")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<h1>502\x1b[31m</h1>",
        b"\xff\xfe",
        b"[1]",
        b'"x"',
        b'{"detail": 7, "type": null}',
        b"{",
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("status", [400, 401, 404, 410, 418, 429, 500, 502, 503])
def test_garbage_instead_of_a_problem_is_still_the_error_of_its_status(status: int, content: bytes):
    error = error_of(Answer(status, {}, content))
    assert isinstance(error, ProblemError)
    assert error.status == status
    assert error.detail
    assert "\x1b" not in str(error)
