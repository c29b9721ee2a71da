"""A whole call, without a network."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import BUSY, CUT, DONE, ORDER, REFUSED, Clock, Script

from reserva import (
    InvalidRequestError,
    Item,
    Retry,
    ServerError,
    Status,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
    operations,
)
from reserva.exchange import exchange
from reserva.wire import Answer, Operation


def call(script: Script, operation: Operation[Any], retry: Retry | None = None, draw: float = 0.5) -> Any:
    return script.run(exchange(operation, retry or Retry(), 10.0, script.clock, lambda: draw))


def order(**options: Any) -> Operation[Any]:
    return operations.criar("ana", {"A": 2}, **options)


def test_an_order_is_sent_once_and_read():
    script = Script([DONE], Clock())
    pedido = call(script, order(wait=5, idempotency_key="k"))
    [request] = script.requests
    assert (request.method, request.path) == ("POST", "/pedidos")
    assert json.loads(request.content) == {"clienteId": "ana", "itens": [{"sku": "A", "quantidade": 2}]}
    assert (request.headers["Prefer"], request.headers["Idempotency-Key"]) == ("wait=5", "k")
    assert "Authorization" not in request.headers
    assert (pedido.pedido_id, pedido.status) == (UUID(ORDER["pedidoId"]), Status.ESTOQUE_RESERVADO)
    assert pedido.itens == (Item("A", 2),)
    assert script.pauses == []


def test_every_attempt_has_the_same_key_and_honours_retry_after():
    script = Script([BUSY, CUT, REFUSED, DONE], Clock())
    assert call(script, order()).decided
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert script.pauses == [2 + 0.05, 0.1, 0.2]


def test_two_calls_have_two_keys():
    keys = {order().headers["Idempotency-Key"] for _ in range(100)}
    assert len(keys) == 100


def test_without_a_key_only_calls_that_were_not_executed_are_retried():
    plain = order(idempotency_key="")
    assert "Idempotency-Key" not in plain.headers
    assert call(Script([REFUSED, Answer(429, {"retry-after": "1"}), DONE], Clock()), plain).decided
    with pytest.raises(UnreachableError) as cut:
        call(Script([CUT], Clock()), plain)
    assert cut.value.executed_maybe
    with pytest.raises(UnavailableError):
        call(Script([BUSY], Clock()), plain)


def test_the_deadline_ends_a_call_without_a_useless_pause():
    script = Script([BUSY] * 100, Clock())
    with pytest.raises(UnavailableError) as error:
        call(script, order(), Retry(deadline=10))
    assert error.value.retry_after == 2
    assert 4 <= len(script.requests) <= 5
    assert script.clock.now - 100 < 10


@settings(deadline=None)
@given(st.integers(0, 30), st.floats(0.1, 100), st.floats(0, 20), st.floats(0, 0.999))
def test_a_call_never_outlasts_its_deadline(wait: int, deadline: float, takes: float, draw: float):
    clock = Clock(takes)
    script = Script([BUSY] * 50, clock)
    with pytest.raises(UnavailableError):
        call(script, order(wait=wait), Retry(deadline=deadline), draw)
    for seconds in script.seconds:
        assert 0 < seconds <= min(10 + max(wait, 1), deadline + wait)
    assert clock.now - 100 <= max(deadline + wait, takes) + takes
    assert len(script.requests) <= Retry().attempts


def test_a_retry_waits_only_for_the_remaining_time():
    script = Script([CUT, CUT, CUT, DONE], Clock(takes=4))
    call(script, order(wait=10), draw=0)
    assert [request.headers["Prefer"] for request in script.requests] == ["wait=10", "wait=6", "wait=2", "wait=1"]
    assert script.seconds[0] == 20


def test_a_refused_token_is_replaced_once():
    refused = Answer(401, {}, b"{}")
    script = Script([refused, DONE], Clock(), tokens=["old", "new"])
    assert call(script, order()).decided
    assert [request.headers["Authorization"] for request in script.requests] == ["Bearer old", "Bearer new"]
    assert script.pauses == []
    for tokens in (["old"], ["old", "new", "newer"]):
        with pytest.raises(UnauthenticatedError):
            call(Script([refused, refused], Clock(), tokens), order())


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"pedidoId": 1}', b"\xff", b'{"pedidoId"'])
def test_an_answer_that_is_not_an_order_is_an_error_that_shows_it(content: bytes):
    with pytest.raises(UnreadableAnswerError, match="200"):
        call(Script([Answer(200, {}, content)], Clock()), order())


def test_an_invalid_request_is_not_retried():
    script = Script([Answer(422, {}, b'{"detail": "itens: expected 1"}')], Clock())
    with pytest.raises(InvalidRequestError, match="itens: expected 1"):
        call(script, order())
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("key", "header"),
    [("carrinho-1", "carrinho-1"), ("a,b", '"a,b"'), ('say "x"', '"say \\"x\\""'), ("a\\", '"a\\\\"')],
)
def test_a_key_that_looks_like_a_list_is_quoted(key: str, header: str):
    assert order(idempotency_key=key).headers["Idempotency-Key"] == header


@pytest.mark.parametrize("text", ["", ".", "..", "eventos", "a/b", "019ab3f2"])
def test_an_invalid_order_id_is_not_put_into_a_path(text: str):
    with pytest.raises(ValueError, match="is not the id of an order"):
        operations.pedido(text)


@pytest.mark.parametrize(("sku", "path"), [("A.b-1", True), ("eventos", False), ("..", False), ("a/b", False)])
def test_skus_that_cannot_be_a_path_are_looked_up(sku: str, path: bool):
    assert operations.has_path(sku) is path


@pytest.mark.parametrize("wait", [-1, 31])
def test_a_wait_out_of_range_is_refused(wait: int):
    with pytest.raises(ValueError, match="from 0 to 30"):
        order(wait=wait)


@pytest.mark.parametrize("key", ["ção", "a\nb", "\x1b", "a" * 129])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_sent(key: str):
    with pytest.raises(ValueError, match="printable ASCII"):
        order(idempotency_key=key)


@pytest.mark.parametrize("field", ["criadoEm", "atualizadoEm", "expiraEm"])
def test_a_time_without_a_time_zone_is_an_unreadable_answer(field: str):
    answer = Answer(200, {}, json.dumps({**ORDER, field: "2026-11-26T12:00:00"}).encode())
    with pytest.raises(UnreadableAnswerError, match="timezone"):
        call(Script([answer], Clock()), operations.pedido(ORDER["pedidoId"]))


def test_json_nested_too_deeply_is_an_unreadable_answer():
    answer = Answer(200, {}, b'{"x": ' + b"[" * 100_000)
    with pytest.raises(UnreadableAnswerError, match="recursion"):
        call(Script([answer], Clock()), operations.pedido(ORDER["pedidoId"]))


def test_a_redirect_is_reported_with_its_target():
    moved = Answer(308, {"location": "https://loja.example/pedidos"})
    with pytest.raises(ServerError, match=r"redirected to https://loja\.example/pedidos"):
        call(Script([moved], Clock()), order())
