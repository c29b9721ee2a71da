"""Shell completion: commands and options, and SKUs and orders from the gateway."""

import os
from collections.abc import Sequence
from itertools import islice

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from reserva.cli.commands import Command
from reserva.cli.exit_codes import ExitCode
from reserva.cli.language import Texts
from reserva.cli.params import ChoiceType
from reserva.cli.settings import new_settings
from reserva.errors import ReservaError
from reserva.operations import is_sku
from reserva.retry import Retry
from reserva.sync import Reserva

VARIABLE = "_RESERVA_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_MAX_COMPLETIONS = 200
_NO_RETRY = Retry(deadline=1.0, attempts=1)
_NO_FILES = 4
"""cobra's ShellCompDirectiveNoFileComp, which kubectl reads after the words."""


def command(text: Texts) -> Command:
    """`completar`."""
    shell = click.Argument(["shell"], type=ChoiceType(text, "SHELL", SHELLS), metavar="|".join(SHELLS))
    return Command(text, "completar", click.pass_context(_script), [shell])


def _script(context: click.Context, shell: str) -> int:
    click.echo(_completer(context.find_root().command, shell).source())
    return ExitCode.OK


def _completer(program: click.Command, shell: str) -> ShellComplete:
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(shell)
    return kind(program, {}, "reserva", VARIABLE)


def skus(_: click.Context, __: object, incomplete: str, suffix: str = "") -> list[CompletionItem]:
    """SKUs with this prefix. If the gateway is unreachable, none: completion never reports errors."""
    if "=" in incomplete:
        return []
    return [CompletionItem(f"{sku}{suffix}") for sku in _fetch_skus() if sku.startswith(incomplete)]


def _fetch_skus() -> list[str]:
    try:
        with _client() as client:
            return [saldo.sku for saldo in islice(client.saldos(), 10 * _MAX_COMPLETIONS) if is_sku(saldo.sku)]
    except (ReservaError, click.UsageError):
        return []


def orders_of_customer(context: click.Context, _: object, incomplete: str) -> list[CompletionItem]:
    """The newest orders of the customer named by the command line or the environment."""
    customer = context.find_root().obj.customer if context.find_root().obj else os.environ.get("RESERVA_CLIENTE")
    if not customer:
        return []
    try:
        with _client() as client:
            found = list(islice(client.pedidos(customer), _MAX_COMPLETIONS))
    except (ReservaError, click.UsageError):
        return []
    ids = [(str(one.pedido_id), one.status.value) for one in found]
    return [CompletionItem(text, help=status) for text, status in ids if text.startswith(incomplete)]


def _client() -> Reserva:
    settings = new_settings(Texts("en"))
    return Reserva(settings.url, token=settings.read_token, retry=_NO_RETRY, timeout=1.0)


def for_kubectl(program: click.Command, words: Sequence[str]) -> None:
    """Prints completions as kubectl expects them from `kubectl_complete-reserva`: one per line, then a directive."""
    completer = ShellComplete(program, {"obj": new_settings(Texts("en"))}, "reserva", VARIABLE)
    *before, incomplete = words or [""]
    for item in completer.get_completions(before, incomplete):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{_NO_FILES}")
