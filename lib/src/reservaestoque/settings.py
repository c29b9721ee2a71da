"""Settings from the environment, read once at start-up, refused with a sentence when they are wrong."""

import re
import sys
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

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


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Port = Annotated[int, Field(ge=0, le=65535)]
PostgresUrl = Annotated[str, Field(pattern=r"^postgres(ql)?://", repr=False)]


class ProgramSettings(BaseSettings):
    """What every program reads; programs subclass it. Field ``reserva_ttl`` comes from ``RESERVA_TTL``."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    host: str = "127.0.0.1"
    port: Port = 8000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(ProgramSettings):
    """What a program with one database reads."""

    database_url: PostgresUrl


S = TypeVar("S", bound=ProgramSettings)


def load(kind: type[S]) -> S:
    """Reads the settings, or ends the program (exit code 1) with a line for each that is wrong or missing.

    Values are not repeated in the message: one of them may hold a password.
    """
    try:
        return kind()
    except ValidationError as wrong:
        lines = [f"  {_name(e['loc'])}{e['msg']}" for e in wrong.errors(include_input=False)]
        sys.exit("\n".join(["These settings (environment variables) are wrong:", *lines]))


def _name(location: tuple[int | str, ...]) -> str:
    """The variable that is wrong; nothing where it is about several."""
    return f"{str(location[0]).upper()}: " if location else ""
