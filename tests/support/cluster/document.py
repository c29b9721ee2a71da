"""Commands from the documents, to be run by a test: pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Substitution:
    """A replacement that a test cluster needs in a document's text; `pattern` must be found."""

    pattern: str
    replacement: str


def section(document: str, heading: str) -> str:
    """The section under a level-2 heading. Raises ValueError when the heading is missing."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.M | re.S)
    if found is None:
        raise ValueError(f"no section {heading!r}")
    return found.group(1)


def script(text: str, substitutions: Iterable[Substitution] = ()) -> str:
    """The shell blocks of a text, joined and substituted. Raises ValueError for a pattern that is not found.

    A block may be indented, for example below a numbered step.
    """
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```", text, re.M | re.S)
    if not blocks:
        raise ValueError("no shell block")
    commands = "\n".join(re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in blocks)
    for substitution in substitutions:
        commands, times = re.subn(substitution.pattern, substitution.replacement, commands)
        if not times:
            raise ValueError(f"the document no longer says {substitution.pattern!r}")
    return commands
