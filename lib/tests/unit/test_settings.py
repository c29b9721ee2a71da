"""Settings: durations as Kubernetes writes them; errors are reported in a sentence, never with the value."""

from datetime import timedelta

import pytest

from reservaestoque.settings import Duration, Settings, format_duration, load, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("5s", 5), ("250ms", 0.25), ("1.5s", 1.5), ("2h", 7200), (" 1m ", 60)],
)
def test_durations(text: str, seconds: float):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "m", "30 m", "-5s", "1d", "5s1m", "0s", "1e3s"])
def test_bad_durations(text: str):
    with pytest.raises(ValueError, match=r"30m, 1h30m|longer than zero"):
        parse_duration(text)


class Some(Settings):
    ttl: Duration


def test_wrong_settings_end_the_program_and_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://root:secret@db")
    monkeypatch.setenv("TTL", "soon")
    monkeypatch.setenv("METRICS_PORT", "99999")
    with pytest.raises(SystemExit) as end:
        load(Some)
    message = str(end.value)
    assert all(name in message for name in ("DATABASE_URL", "TTL", "METRICS_PORT"))
    assert "secret" not in message


def test_good_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://u:secret@h/d")
    monkeypatch.setenv("TTL", "30m")
    settings = load(Some)
    assert settings.ttl == timedelta(minutes=30)
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("text", ["30m", "1h30m", "5s", "0.25s", "144h", "1h0.001s", "2h5s"])
def test_durations_are_formatted_as_they_are_parsed(text: str):
    assert format_duration(parse_duration(text)) == text
