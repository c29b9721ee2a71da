"""How long rows have waited in the outbox, from looks at its oldest and newest."""

from reservaestoque.outbox.backlog import Ages


def test_an_empty_outbox_has_no_age():
    assert Ages().age(0.0, None, None) == 0.0


def test_a_row_ages_from_the_look_that_saw_it_first():
    ages = Ages()
    assert ages.age(10.0, 1, 5) == 0.0
    assert ages.age(12.0, 1, 9) == 2.0
    assert ages.age(14.0, 6, 9) == 2.0, "6 was first seen at 12"
    assert ages.age(16.0, 10, 12) == 0.0
    assert ages.age(17.0, None, None) == 0.0
    assert ages.age(30.0, 13, 13) == 0.0


def test_a_backlog_that_stands_still_ages_without_memory():
    ages = Ages()
    for second in range(100_000):
        age = ages.age(float(second), 1, 1)
    assert age == 99_999.0
    assert len(ages._looks) == 1
