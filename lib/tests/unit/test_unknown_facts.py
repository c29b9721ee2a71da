"""A relay's memory of facts that only another release knows."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from reservaestoque.outbox import unknown
from reservaestoque.outbox.unknown import UnknownFacts


def counted() -> float | None:
    return REGISTRY.get_sample_value("outbox_unknown_facts")


def test_unknown_facts_are_left_and_counted():
    facts = UnknownFacts()
    facts.remember({7: "a type", 9: "a type"})
    facts.remember({8: "a type"})
    assert sorted(facts.ids) == [7, 8, 9]
    assert counted() == 3


def test_unknown_facts_are_forgotten_after_a_minute():
    facts = UnknownFacts()
    facts.forget_when_due(1000.0)
    facts.remember({7: "a type"})
    facts.forget_when_due(1059.0)
    assert facts.ids == [7]
    facts.forget_when_due(1060.0)
    assert facts.ids == []
    assert counted() == 0


def test_each_fact_is_logged_once_however_often_it_is_found_again():
    facts = UnknownFacts()
    with capture_logs() as logs:
        for minute in range(3):
            facts.forget_when_due(60.0 * minute)
            facts.remember({7: "a type"})
        facts.remember({7: "a type", 8: "a status"})
    assert [(log["event"], log["count"], log["reason"]) for log in logs] == [
        ("outbox_unknown_facts", 1, "a type"),
        ("outbox_unknown_facts", 1, "a status"),
    ]


def test_the_number_of_unknown_facts_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unknown, "MAX_ROWS", 2)
    facts = UnknownFacts()
    facts.remember({7: "a type"})
    assert not facts.full
    with capture_logs() as logs:
        facts.remember({8: "a type"})
    assert facts.full
    assert logs[-1]["log_level"] == "error"
    facts.forget_when_due(0.0)
    assert not facts.full
