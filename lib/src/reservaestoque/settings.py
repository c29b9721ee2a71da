"""Settings from the environment, read once at start-up; invalid ones are rejected with an explanation."""

import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reservaestoque.tls import CaFile, trusting_amqp, trusting_postgres

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def parse_duration(text: object) -> object:
    """Reads durations the way Kubernetes writes them: ``30m``, ``1h30m``, ``5s``, ``250ms``.

    Anything that is not a string passes unchanged. Raises ValueError for other strings and for zero.
    """
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 30m, 1h30m, 5s or 250ms")
    hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    duration = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    if not duration:
        raise ValueError("a duration must be longer than zero")
    return duration


def format_duration(duration: timedelta) -> str:
    """The duration in the form that `parse_duration` reads: `144h`, `1h30m`, `0.5s`."""
    hours, rest = divmod(duration, timedelta(hours=1))
    minutes, rest = divmod(rest, timedelta(minutes=1))
    seconds = f"{rest.total_seconds():.6f}".rstrip("0").rstrip(".")
    return f"{hours}h" * (hours > 0) + f"{minutes}m" * (minutes > 0) + f"{seconds}s" * (rest > timedelta()) or "0s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Port = Annotated[int, Field(ge=0, le=65535)]
PostgresUrl = Annotated[str, Field(pattern=r"^postgres(ql)?://", repr=False)]


class ProgramSettings(BaseSettings):
    """The settings that all programs share; each subclasses it. Field ``reserva_ttl`` comes from ``RESERVA_TTL``.

    Health and metrics are served on `metrics_port`.
    """

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    host: str = "127.0.0.1"
    metrics_port: Port = 9000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class ApiSettings(BaseSettings):
    """Read by every program with an API, which it serves to the gateway on `port`."""

    port: Port = 8000


class Settings(ProgramSettings):
    """Read by every program with one database. With `database_ca_file`, the authority is part of `database_url`."""

    database_ca_file: CaFile | None = None
    database_url: PostgresUrl

    @field_validator("database_url")
    @classmethod
    def _database_is_checked(cls, url: str, info: ValidationInfo) -> str:
        return trusting_postgres(url, info.data.get("database_ca_file"))


class ServiceSettings(ApiSettings, Settings):
    """Settings of both services. Those that an order's life depends on must have the same values in both.

    A reservation lasts for `reserva_ttl`. For `resend_horizon`, unanswered commands are resent and unreported lapses
    are followed up; estoque refuses events older than `event_horizon`. Orders whose reservation ended
    `abandoned_after` ago are cancelled. Up to `max_events` share a transaction. Event streams can be resumed from
    changes of the last `change_retention`; at most `max_streams` of them are open at once in a process,
    `max_streams_per_client` of one customer (or address). `identity` determines whether the gateway's headers
    name the callers, or every caller may do everything. With `amqp_ca_file`, the authority is part of `amqp_url`.
    """

    amqp_ca_file: CaFile | None = None
    amqp_url: str = Field(pattern=r"^amqps?://", repr=False)
    max_events: int = Field(default=400, ge=1, le=1000)
    reserva_ttl: Duration = timedelta(minutes=30)
    event_horizon: Duration = timedelta(days=6)
    resend_horizon: Duration = timedelta(days=1)
    abandoned_after: Duration = timedelta(days=7)
    change_retention: Duration = timedelta(days=1)
    max_streams: int = Field(default=1000, ge=1)
    max_streams_per_client: int = Field(default=20, ge=1)
    identity: Literal["none", "gateway"] = "none"

    @field_validator("amqp_url")
    @classmethod
    def _broker_is_checked(cls, url: str, info: ValidationInfo) -> str:
        return trusting_amqp(url, info.data.get("amqp_ca_file"))

    @model_validator(mode="after")
    def _follow_ups_are_accepted(self) -> Self:
        """The last follow-up repeats a command whose age is the sum of `reserva_ttl` and `resend_horizon`."""
        self.require_shorter(
            ("reserva_ttl", "resend_horizon"), "event_horizon", "or estoque refuses the follow-up on a lapse"
        )
        return self

    def require_shorter(self, parts: Sequence[str], whole: str, otherwise: str) -> None:
        """Raises ValueError with a sentence unless these settings together are shorter than another one."""
        durations = {name: getattr(self, name) for name in (*parts, whole)}
        if sum((durations[part] for part in parts), timedelta()) >= durations[whole]:
            named = [f"{name.upper()} ({format_duration(duration)})" for name, duration in durations.items()]
            together = " together" if len(parts) > 1 else ""
            raise ValueError(f"{' and '.join(named[:-1])}{together} must be shorter than {named[-1]}, {otherwise}")


SHARED = ("reserva_ttl", "event_horizon", "resend_horizon", "abandoned_after")
"""Settings that must have the same values in both services."""

S = TypeVar("S", bound=ProgramSettings)


def load(kind: type[S]) -> S:
    """Reads the settings, or ends the program (exit code 1) with a line for each that is wrong or missing.

    The message repeats no values, because one may contain a password.
    """
    try:
        return kind()
    except ValidationError as wrong:
        lines = [f"  {_name(e['loc'])}{e['msg']}" for e in wrong.errors(include_input=False)]
        sys.exit("\n".join(["These settings (environment variables) are wrong:", *lines]))


def _name(location: tuple[int | str, ...]) -> str:
    """The variable that is wrong; empty where several are."""
    return f"{str(location[0]).upper()}: " if location else ""
