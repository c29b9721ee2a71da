"""The age of rows in the outbox, derived from looks at its oldest and newest row."""

from reservaestoque.outbox.backlog import Backlog


def test_an_empty_outbox_has_no_age():
    assert Backlog().age(None, None, 0.0) == 0.0


def test_a_row_ages_from_the_look_that_saw_it_first():
    backlog = Backlog()
    assert backlog.age(1, 5, 10.0) == 0.0
    assert backlog.age(1, 9, 12.0) == 2.0
    assert backlog.age(6, 9, 14.0) == 2.0, "6 was first seen at 12"
    assert backlog.age(10, 12, 16.0) == 0.0
    assert backlog.age(None, None, 17.0) == 0.0
    assert backlog.age(13, 13, 30.0) == 0.0


def test_a_backlog_that_stands_still_ages_without_memory():
    backlog = Backlog()
    for second in range(100_000):
        age = backlog.age(1, 1, float(second))
    assert age == 99_999.0
    assert len(backlog._looks) == 1
