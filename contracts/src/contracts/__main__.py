"""``python -m contracts``: writes every document into contracts/ and removes those of removed event types."""

from pathlib import Path

from contracts.documents import ROOT, existing, generate


def main(root: Path = ROOT) -> None:
    """Writes the documents below `root`."""
    generated = generate()
    for name in existing(root) - generated.keys():
        (root / name).unlink()
    for name, text in generated.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
