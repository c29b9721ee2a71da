"""``python -m conferir``."""

import sys

import reservaestoque.imports  # noqa: F401  # isort: split
from conferir.cli import main

if __name__ == "__main__":
    sys.exit(main())
