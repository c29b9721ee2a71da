"""The choice between Portuguese and English, and the texts. Pure."""

from collections.abc import Mapping, Sequence

from reserva.cli.texts import TEXTS

LANGUAGES = ("pt", "en")
OPTION = "--idioma"


def choose(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """`--idioma` if given, otherwise the POSIX locale: LC_ALL, LC_MESSAGES, LANG."""
    for i, word in enumerate(argv):
        value = argv[i + 1] if word == OPTION and i + 1 < len(argv) else word.removeprefix(f"{OPTION}=")
        if value != word and value in LANGUAGES:
            return value
    locale = next(filter(None, map(environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "pt" if locale.lower().startswith("pt") else "en"


class Texts:
    """The texts of one language: `text("stock.unknown", skus="X")`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._index = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key, with its placeholders filled in."""
        return TEXTS[key][self._index].format(**values)
