"""A small part of `make fuzz`, the same each time: generated requests and garbage messages."""

from collections.abc import Iterator

import pytest
from fuzz import amqp, rest
from fuzz.__main__ import stock

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(Config(state=tmp_path_factory.mktemp("fuzz"), ports=Ports.free(), parts={"gateway"})) as system:
        yield system


async def test_generated_messages_have_the_expected_outcomes(system: System):
    report = await amqp.run(system, count=400, seed=1)
    assert report.passed, "\n".join(report.lines())
    assert report.orders > 10


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
async def test_generated_requests_are_answered_as_documented(system: System, service: str):
    await stock(system)
    report = rest.run(system, service, examples=2, seed=1, options=["--phases", "examples,coverage,fuzzing"])
    assert report.passed, report.text
    assert report.cases > 50
