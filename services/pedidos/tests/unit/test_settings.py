"""Settings of pedidos that cannot work together are refused with a sentence that names them."""

from typing import Any

import pytest

from pedidos.settings import PedidosSettings
from reservaestoque.settings import load


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> PedidosSettings:
    monkeypatch.setenv("DATABASE_URL", "postgres://db")
    monkeypatch.setenv("AMQP_URL", "amqp://mq")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(PedidosSettings)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RESERVA_TTL": "5s"},
        {"RESERVA_TTL": "72h"},
        {"RESERVA_TTL": "72h", "RESEND_HORIZON": "71h", "IDEMPOTENCY_RETENTION": "71h"},
        {"RESEND_HORIZON": "12h"},
        {"ORDER_RETENTION": "145h"},
        {"RESERVA_TTL": "240h", "EVENT_HORIZON": "300h"},
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
            {"EVENT_HORIZON": "24h"},
            "RESERVA_TTL (30m) and RESEND_HORIZON (24h) together must be shorter than EVENT_HORIZON (24h), or",
        ),
        ({"RESEND_AFTER": "24h"}, "RESEND_AFTER (24h) must be shorter than RESEND_HORIZON (24h), or"),
        (
            {"RESEND_HORIZON": "24h1s"},
            "IDEMPOTENCY_RETENTION (24h) must not be shorter than RESEND_HORIZON (24h1s), or",
        ),
        (
            {"IDEMPOTENCY_RETENTION": "200h", "ORDER_RETENTION": "200h"},
            "IDEMPOTENCY_RETENTION (200h) must be shorter than ORDER_RETENTION (200h), or",
        ),
        ({"ORDER_RETENTION": "144h"}, "EVENT_HORIZON (144h) must be shorter than ORDER_RETENTION (144h), or"),
    ],
)
def test_inconsistent_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, Any], sentence: str
):
    with pytest.raises(SystemExit) as end:
        settings(monkeypatch, **environment)
    assert sentence in str(end.value)
