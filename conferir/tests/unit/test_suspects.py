"""Only unchanged suspects become violations; a change, a recovery or an outage restarts the grace period."""

from conferir.suspects import Suspects
from conferir.violation import Rule, Violation


def difference(detail: str, key: str = "1") -> Violation:
    return Violation(Rule.AGREEMENT, key, detail)


def test_a_suspect_that_persists_for_the_grace_period_is_confirmed_once():
    suspects, one = Suspects(10), difference("1 and 2")
    suspects.add([one], 0)
    assert suspects.recheck([one], [one], 9.9) == []
    assert suspects.recheck([one], [one], 10) == [one]
    assert len(suspects) == 0


def test_a_suspect_that_heals_is_forgotten():
    suspects, one = Suspects(10), difference("1 and 2")
    suspects.add([one], 0)
    assert suspects.recheck([one], [], 5) == []
    suspects.add([one], 9)
    assert suspects.recheck([one], [one], 18) == []


def test_a_difference_that_changes_is_a_new_suspect():
    suspects, one, other = Suspects(10), difference("1 and 2"), difference("2 and 3")
    suspects.add([one], 0)
    assert suspects.recheck([one], [other], 11) == []
    assert suspects.oldest_first() == [other]
    assert suspects.recheck([other], [other], 21) == [other]


def test_an_outage_restarts_every_grace_period():
    suspects, one = Suspects(10), difference("1 and 2")
    suspects.add([one], 0)
    suspects.restart(60)
    assert suspects.recheck([one], [one], 61) == []
    assert suspects.recheck([one], [one], 70) == [one]


def test_memory_is_bounded_and_overflow_is_counted():
    suspects = Suspects(10, limit=2)
    many = [difference("x", str(n)) for n in range(5)]
    assert suspects.add(many, 0) == 3
    assert suspects.add(many[:2], 1) == 0
    assert len(suspects) == 2
