"""The age of rows in the outbox, derived from looks at its oldest and newest row."""

from reservaestoque.outbox.backlog import Backlog


def test_an_empty_outbox_has_no_age():
    assert Backlog().age(None, None, 0.0) == 0.0


def test_the_age_of_a_row_counts_from_when_it_was_first_seen():
    backlog = Backlog()
    assert backlog.age(1, 5, 10.0) == 0.0
    assert backlog.age(1, 9, 12.0) == 2.0
    assert backlog.age(6, 9, 14.0) == 2.0, "6 was first seen at 12"
    assert backlog.age(10, 12, 16.0) == 0.0
    assert backlog.age(None, None, 17.0) == 0.0
    assert backlog.age(13, 13, 30.0) == 0.0


def test_a_stalled_backlog_ages_in_constant_memory():
    backlog = Backlog()
    for second in range(100_000):
        age = backlog.age(1, 1, float(second))
    assert age == 99_999.0
    assert len(backlog._observations) == 1
