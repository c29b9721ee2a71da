"""`python -m local_system`."""

import sys

from local_system.cli import main

sys.exit(main())
