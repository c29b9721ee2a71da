"""``python -m reservaestoque.dlq``."""

import logging
import sys

from reservaestoque.dlq.cli import main

if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # what fails is said in one sentence, by us
    sys.exit(main())
