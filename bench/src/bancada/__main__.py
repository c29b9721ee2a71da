"""`python -m bancada`."""

import sys

from bancada.cli import main

sys.exit(main())
