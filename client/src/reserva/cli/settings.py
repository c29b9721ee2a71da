"""Options and environment of one run."""

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from reserva.cli.language import LANGUAGES, OPTION, Texts
from reserva.cli.params import ChoiceType, NumberType
from reserva.retry import Retry
from reserva.sync import Reserva
from reserva.transport import DEFAULT_URL, base, checked_token

_DEADLINE = 30


@dataclass
class Settings:
    """The common options; those after a command override those before it."""

    text: Texts
    environ: Mapping[str, str]
    given: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    """The Idempotency-Key of the command, shown so that it can be repeated safely."""

    @property
    def url(self) -> str:
        """The gateway's address. Raises UsageError."""
        text = self.given.get("url") or self.environ.get("RESERVA_URL") or DEFAULT_URL
        try:
            return base(text)
        except ValueError:
            raise click.UsageError(self.text("bad.url", text=text)) from None

    @property
    def customer(self) -> str | None:
        """The customer, if named; otherwise the subject of the token. Raises UsageError for a bad token."""
        return self.given.get("cliente") or self.environ.get("RESERVA_CLIENTE") or subject(self.read_token())

    def named_customer(self) -> str:
        """The customer. Raises UsageError if none is named."""
        if self.customer is None:
            raise click.UsageError(self.text("need.customer"))
        return self.customer

    @property
    def json(self) -> bool | None:
        """Whether JSON is requested; None if unspecified."""
        return self.given.get("json")

    def client(self) -> Reserva:
        """A client with these settings. Raises UsageError."""
        retry = Retry(deadline=float(self.given.get("prazo") or _DEADLINE))
        return Reserva(self.url, token=self.read_token, retry=retry)

    def read_token(self) -> str | None:
        """The current token. Raises UsageError."""
        path = self.given.get("token_file") or self.environ.get("RESERVA_TOKEN_FILE")
        try:
            return checked_token(Path(path).expanduser().read_text() if path else self.environ.get("RESERVA_TOKEN"))
        except (OSError, RuntimeError) as error:  # expanduser raises RuntimeError when there is no home directory
            why = getattr(error, "strerror", error)
            raise click.UsageError(self.text("bad.token_file", path=path, why=why)) from None
        except ValueError:
            raise click.UsageError(self.text("bad.token", origin=path or "RESERVA_TOKEN")) from None


def subject(token: str | None) -> str | None:
    """The claim `sub` of a JWT, which only the gateway can verify; None for any other token."""
    try:
        payload = (token or "").split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = claims["sub"]
    except (IndexError, KeyError, TypeError, ValueError, msgspec.DecodeError):
        return None
    return found if isinstance(found, str) and found else None


def settings_of(context: click.Context) -> Settings:
    """The settings of this run."""
    found: Settings = context.find_root().obj
    return found


def _keep(name: str, value_if_set: Any = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            settings_of(context).given[name] = value if value_if_set is None else value_if_set[0]

    return keep


def common_options(text: Texts) -> list[click.Parameter]:
    """The options of the program and of every command."""

    def option(*names: str, keep: str, help: str, flag: Any = None, **more: Any) -> click.Option:  # noqa: A002
        callback = _keep(keep, flag)
        return click.Option(list(names), expose_value=False, callback=callback, help=text(help), **more)

    return [
        click.Option(
            ["--url"],
            expose_value=False,
            callback=_keep("url"),
            metavar="URL",
            help=text("help.url", default=DEFAULT_URL),
        ),
        option("--arquivo-do-token", keep="token_file", help="help.token_file", metavar="ARQUIVO"),
        option("--json", keep="json", help="help.json", flag=(True,), is_flag=True),
        option("--tabela", keep="json", help="help.table", flag=(False,), is_flag=True),
        option("--prazo", keep="prazo", help="help.deadline", type=NumberType(text), metavar="N"),
        option("--verboso", "-v", keep="verbose", help="help.verbose", is_flag=True),
        option(OPTION, keep="language", help="help.language", type=ChoiceType(text, "IDIOMA", LANGUAGES)),
    ]


def customer_option(text: Texts) -> click.Option:
    """`--cliente`."""
    return click.Option(
        ["--cliente"], expose_value=False, callback=_keep("cliente"), metavar="NOME", help=text("help.customer")
    )


def new_settings(text: Texts, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings before any option is read."""
    return Settings(text, environ)
