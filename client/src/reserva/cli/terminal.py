"""Sanitises untrusted text for terminals, which would execute its control characters."""

import re
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_CONTROLS = re.compile(r"[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters except the line feed, and the characters that reverse the direction of writing."""


def plain(text: str) -> str:
    """The text without characters that move the cursor, change colours or reorder the text that follows."""
    return text if text.isprintable() else _CONTROLS.sub("", text)


def json_line(value: Any) -> bytes:
    """The value as JSON in one line, in which all control characters are escaped."""
    line: str = msgspec.json.encode(value).decode()
    escaped = line if line.isprintable() else _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
    return escaped.encode()


class Terminal(Console):
    """A console that prints text as it is: no markup, no emoji codes, no control characters."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of the renderable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def prepare_streams() -> None:
    """Replaces characters that the encoding of the output lacks by `?`, and a closed output by the null device."""
    if sys.stdout is None:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - until the end of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
