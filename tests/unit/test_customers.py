"""The load's report: failures count as failures, and recovery means that orders are decided again for good."""

import asyncio

import httpx
import pytest
from customers import Answer, Customers


def customers(*answers: Answer) -> Customers:
    one = Customers("http://gateway", ["A"], per_second=1)
    one.answers = list(answers)
    return one


def request(start: float, code: int) -> Answer:
    body = {"pedidoId": f"p{start:.0f}"} if code in (201, 202) else {}
    return Answer("POST /pedidos", start, start + 0.5, code, body)


def test_without_a_bad_answer_there_is_nothing_to_recover_from():
    assert customers(request(1, 201), request(3, 201)).recovery(since=2) == 0


@pytest.mark.parametrize("bad", [503, 0, 202])
def test_recovery_lasts_until_the_first_decision_after_the_last_bad_answer(bad: int):
    answers = customers(request(3, bad), request(4, 201), request(5, bad), request(7, 201), request(8, 201))
    assert answers.recovery(since=2) == 5.5


def test_without_a_later_decision_there_is_no_recovery():
    assert customers(request(3, 201), request(4, 503)).recovery(since=2) == float("inf")


def test_answers_other_than_2xx_are_failures_and_only_the_rest_counts_as_accepted():
    answers = customers(request(1, 201), request(2, 202), request(3, 503), request(4, 0))
    assert [r.code for r in answers.failures] == [503, 0]
    assert answers.accepted == {"p1", "p2"}


async def test_a_refused_connection_counts_as_a_failure(unused_tcp_port: int):
    async with Customers(f"http://127.0.0.1:{unused_tcp_port}", ["A"], per_second=50) as one:
        await asyncio.sleep(0.2)
    assert one.failures
    assert {r.code for r in one.failures} == {0}
    assert httpx.ConnectError.__name__ in one.summary()
