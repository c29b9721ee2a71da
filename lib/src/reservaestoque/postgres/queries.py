"""SQL in files: one statement per file, which is named after it."""

from functools import cache
from importlib.resources import files

_names: dict[str, str] = {}


class Queries:
    """The statements of a folder ``sql`` inside a package: ``Queries("estoque")["lock_estoque"]``.

    Importing a module that has a Queries reads nothing. All files of a package are read when its first statement is
    requested.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def __getitem__(self, name: str) -> str:
        """The text of ``sql/<name>.sql``. Raises KeyError when there is no such file."""
        return statements(self._package)[name]


def name_of(text: str) -> str | None:
    """The name of a statement read from a file; None for any other."""
    return _names.get(text)


@cache
def statements(package: str) -> dict[str, str]:
    """The statements of a package by name, read once per process."""
    texts = {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in (files(package) / "sql").iterdir()
        if file.name.endswith(".sql")
    }
    _names.update({text: name for name, text in texts.items()})
    return texts
