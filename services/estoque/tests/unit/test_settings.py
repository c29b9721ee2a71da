"""Settings of estoque that contradict each other are refused with a sentence that names them."""

from typing import Any

import pytest

from estoque.settings import EstoqueSettings
from reservaestoque.settings import load


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> EstoqueSettings:
    monkeypatch.setenv("DATABASE_URL", "postgres://db")
    monkeypatch.setenv("AMQP_URL", "amqp://mq")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(EstoqueSettings)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RESERVA_TTL": "5s"},
        {"RESERVA_TTL": "72h"},
        {"RESERVA_TTL": "119h59m"},
        {"EVENT_HORIZON": "25h", "INBOX_RETENTION": "25h1s"},
        {"ORDER_RETENTION": "312h30m1s"},
        {"RESERVA_TTL": "240h", "EVENT_HORIZON": "300h", "INBOX_RETENTION": "301h", "ORDER_RETENTION": "800h"},
    ],
)
def test_consistent_settings_are_accepted(monkeypatch: pytest.MonkeyPatch, environment: dict[str, Any]):
    assert settings(monkeypatch, **environment)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"RESERVA_TTL": "120h"},
            "RESERVA_TTL (120h) and RESEND_HORIZON (24h) together must be shorter than EVENT_HORIZON (144h), or",
        ),
        (
            {"RESEND_HORIZON": "143h30m"},
            "RESERVA_TTL (30m) and RESEND_HORIZON (143h30m) together must be shorter than EVENT_HORIZON (144h), or",
        ),
        (
            {"INBOX_RETENTION": "144h"},
            "EVENT_HORIZON (144h) must be shorter than INBOX_RETENTION (144h), or",
        ),
        (
            {"INBOX_RETENTION": "720h"},
            "INBOX_RETENTION (720h) must be shorter than ORDER_RETENTION (720h), or",
        ),
        (
            {"ORDER_RETENTION": "312h30m"},
            "RESERVA_TTL (30m) and ABANDONED_AFTER (168h) and EVENT_HORIZON (144h) together must be shorter than "
            "ORDER_RETENTION (312h30m), or",
        ),
        (
            {"ABANDONED_AFTER": "600h"},
            "RESERVA_TTL (30m) and ABANDONED_AFTER (600h) and EVENT_HORIZON (144h) together must be shorter than "
            "ORDER_RETENTION (720h), or",
        ),
    ],
)
def test_inconsistent_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, Any], sentence: str
):
    with pytest.raises(SystemExit) as end:
        settings(monkeypatch, **environment)
    assert sentence in str(end.value)
