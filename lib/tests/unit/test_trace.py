"""Trace contexts: a valid one is continued, anything else starts a new one."""

import pytest

from reservaestoque.telemetry.trace import continued

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_valid_context_is_continued():
    assert continued(VALID) == VALID


@pytest.mark.parametrize("header", ["", "x", VALID.upper(), VALID + "\n", VALID.replace("4bf9", "4bfg")])
def test_anything_else_starts_a_new_trace(header: str):
    assert continued(header) != header
    assert len(continued(header)) == len(VALID)
