"""Trace contexts: a valid one is continued, anything else starts a new one."""

import pytest

from reservaestoque.telemetry.trace import TraceIds, continued, parse

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_valid_context_is_continued():
    assert continued(VALID) == VALID


@pytest.mark.parametrize("header", ["", "x", VALID.upper(), VALID + "\n", VALID.replace("4bf9", "4bfg")])
def test_anything_else_starts_a_new_trace(header: str):
    assert continued(header) != header
    assert len(continued(header)) == len(VALID)
    assert parse(header) is None


def test_the_ids_and_flags_of_a_context_are_read():
    assert parse(VALID) == TraceIds(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 1)
