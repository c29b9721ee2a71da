"""``python -m reservaestoque.dlq``."""

import logging
import sys

from reservaestoque.dlq.cli import main

if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # we report failures ourselves, in one sentence
    sys.exit(main())
