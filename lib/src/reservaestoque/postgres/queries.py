"""SQL in files: one statement a file, named after it."""

from importlib.resources import files


class Queries:
    """The statements of a folder ``sql`` inside a package: ``Queries("estoque")["travar_estoque"]``."""

    def __init__(self, package: str) -> None:
        folder = files(package) / "sql"
        self._statements = {
            file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
            for file in folder.iterdir()
            if file.name.endswith(".sql")
        }

    def __getitem__(self, name: str) -> str:
        """The text of ``sql/<name>.sql``. Raises KeyError when there is no such file."""
        return self._statements[name]
