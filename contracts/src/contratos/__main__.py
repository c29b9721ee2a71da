"""``python -m contratos``: writes every document into contracts/ and removes those of types that are no more."""

from pathlib import Path

from contratos import documentos
from contratos.documentos import RAIZ, existentes


def main(raiz: Path = RAIZ) -> None:
    """Writes the documents below `raiz`."""
    novos = documentos()
    for nome in existentes(raiz) - novos.keys():
        (raiz / nome).unlink()
    for nome, texto in novos.items():
        (raiz / nome).parent.mkdir(parents=True, exist_ok=True)
        (raiz / nome).write_text(texto, encoding="utf-8")


if __name__ == "__main__":
    main()
