"""Which calls are retried, and after how long."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reserva import Retry
from reserva.retry import may_repeat
from reserva.retry_after import seconds_of
from reserva.wire import Answer, Fault

MOMENT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SECONDS = st.floats(0, 1000)
DRAW = st.floats(0, 1, exclude_max=True)


@settings(deadline=None)
@given(st.integers(1, 9), SECONDS | st.none(), st.floats(0.001, 1000), DRAW)
def test_a_pause_honours_retry_after_and_ends_before_the_deadline(attempt, asked, left, draw):
    retry = Retry()
    pause = retry.pause(attempt, asked, left, draw)
    if pause is None:
        assert (asked or 0) + retry.bound(attempt) >= left
    else:
        assert (asked or 0) <= pause < left
        assert pause <= (asked or 0) + retry.longest


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_pauses_grow_up_to_the_longest(attempt):
    retry = Retry(first=0.1, longest=5)
    assert retry.bound(attempt) <= retry.bound(attempt + 1) <= 5
    assert retry.bound(1) == 0.1
    assert retry.bound(10) == 5


def test_clients_that_failed_together_do_not_retry_together():
    assert Retry().pause(3, 2.0, inf, 0.0) == 2.0
    assert Retry().pause(3, 2.0, inf, 0.99) == pytest.approx(2.396)


def test_the_last_attempt_is_not_followed_by_another():
    assert Retry(attempts=3).pause(2, None, inf, 0) == 0
    assert Retry(attempts=3).pause(3, None, inf, 0) is None
    assert Retry().pause(1, 120.0, 60.0, 0) is None, "the server requests a longer wait than the deadline allows"


@pytest.mark.parametrize(
    ("outcome", "safe", "unsafe"),
    [
        (Fault("refused", sent=False), True, True),
        (Fault("cut", sent=True), True, False),
        (Answer(408), True, True),
        (Answer(429), True, True),
        (Answer(503), True, False),
        (Answer(504), True, False),
        (Answer(502), True, False),
        (Answer(500), False, False),
        (Answer(409), False, False),
        (Answer(422), False, False),
        (Answer(404), False, False),
    ],
)
def test_which_outcomes_may_be_retried(outcome, safe, unsafe):
    assert (may_repeat(outcome, safe=True), may_repeat(outcome, safe=False)) == (safe, unsafe)


@pytest.mark.parametrize(("header", "seconds"), [("0", 0), (" 7 ", 7), ("2", 2), ("9" * 40, 366 * 24 * 3600)])
def test_retry_after_in_seconds(header, seconds):
    assert seconds_of(header) == seconds


@settings(deadline=None)
@given(st.integers(-100, 10_000))
def test_retry_after_as_a_date_is_compared_with_the_servers_clock(seconds):
    until = format_datetime(MOMENT + timedelta(seconds=seconds), usegmt=True)
    assert seconds_of(until, format_datetime(MOMENT, usegmt=True)) == max(seconds, 0)


def test_a_date_without_the_servers_clock_is_compared_with_ours():
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (seconds_of(until) or 0) <= 60
    assert 50 < (seconds_of(until, "garbage") or 0) <= 60
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@settings(deadline=None)
@given(st.text())
def test_any_other_retry_after_is_ignored_or_a_bounded_number(text):
    seconds = seconds_of(text)
    assert seconds is None or 0 <= seconds <= 366 * 24 * 3600


@pytest.mark.parametrize("header", ["", None, "soon", "-1", "1.5", "٣", "Wed, 99 Foo 2015"])
def test_an_invalid_retry_after_is_ignored(header):
    assert seconds_of(header) is None
