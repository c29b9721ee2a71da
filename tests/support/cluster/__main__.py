"""``python -m cluster docker kind …``: whether these programs are here; says with a sentence which one is not."""

import sys

from cluster.tools import ToolError, require

try:
    require(sys.argv[1:])
except ToolError as missing:
    sys.exit(str(missing))
