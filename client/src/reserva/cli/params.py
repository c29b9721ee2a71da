"""Types of arguments; errors name the allowed values."""

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from reserva.cli.language import Texts
from reserva.operations import LONGEST_WAIT, has_header, is_sku
from reserva.types import Item

DEFAULT_WAIT = 5
MAX_UNITS = 1_000_000
_WAIT = "--esperar"


if TYPE_CHECKING:
    _Base = click.ParamType[Any]
else:
    _Base = click.ParamType  # generic since click 8.5 only


class _Type(_Base):
    def __init__(self, text: Texts) -> None:
        self.text = text

    def refuse(self, key: str, word: str, **values: object) -> click.BadParameter:
        """The error in the argument, and the allowed values."""
        return click.BadParameter(self.text(key, text=word, **values))


class ItemType(_Type):
    """`SKU=QUANTITY`."""

    name = "SKU=N"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Item:
        """The item. Raises BadParameter."""
        sku, equals, quantity = value.rpartition("=")
        if not equals:
            raise self.refuse("bad.item", value)
        if not is_sku(sku):
            raise self.refuse("bad.sku", sku)
        if not re.fullmatch(r"[0-9]{1,7}", quantity) or not 1 <= int(quantity) <= MAX_UNITS:
            raise self.refuse("bad.quantity", quantity)
        return Item(sku, int(quantity))


class OrderType(_Type):
    """The id of an order."""

    name = "PEDIDO"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """The id. Raises BadParameter."""
        try:
            return UUID(value)
        except ValueError:
            raise self.refuse("bad.order", value) from None


class WaitType(_Type):
    """Seconds to wait for an outcome."""

    name = "N"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds. Raises BadParameter."""
        if not re.fullmatch(r"[0-9]{1,2}", str(value)) or not 1 <= int(value) <= LONGEST_WAIT:
            raise self.refuse("bad.wait", str(value))
        return int(value)


class KeyType(_Type):
    """An Idempotency-Key."""

    name = "CHAVE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key; an empty one means none. Raises BadParameter."""
        if value and not has_header(value):
            raise self.refuse("bad.key", value)
        return value


class NumberType(_Type):
    """A positive number."""

    name = "N"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Raises BadParameter."""
        if not re.fullmatch(r"[0-9]{1,9}", str(value)) or not int(value):
            raise self.refuse("bad.number", str(value))
        return int(value)


class ChoiceType(_Type):
    """One of a fixed set of words."""

    def __init__(self, text: Texts, name: str, choices: tuple[str, ...]) -> None:
        super().__init__(text)
        self.name, self.choices = name, choices

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word. Raises BadParameter."""
        if value not in self.choices:
            raise self.refuse("bad.choice", value, choices=", ".join(self.choices))
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """The words with this prefix."""
        return [click.shell_completion.CompletionItem(one) for one in self.choices if one.startswith(incomplete)]


def with_wait_number(words: list[str]) -> list[str]:
    """`--esperar` without a number means the default, and does not consume the word after it."""
    words = list(words)
    for i, word in enumerate(words):
        if word == "--":
            break
        if word == _WAIT:
            number = words[i + 1] if i + 1 < len(words) else ""
            words[i : i + 1 + number.isdecimal()] = [f"{_WAIT}={number if number.isdecimal() else DEFAULT_WAIT}"]
    return words
